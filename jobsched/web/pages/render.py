"""Pages from templates: what each of them is given, and how times, texts and errors are shown."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Depends, Request
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobsched._version import __version__
from jobsched.client import Client
from jobsched.model.wording import printable
from jobsched.web.access import Access, Role
from jobsched.web.pages import shown
from jobsched.web.pages.messages import MESSAGES
from jobsched.web.pages.site import KEY_FIELD, LOGIN
from jobsched.web.pages.static import CONTENTS
from jobsched.web.problems import Problem
from jobsched.web.sessions import Sessions

#: What every template may call.
_SHOWN = (
    "instant",
    "local",
    "seconds",
    "counted",
    "progress_of",
    "error_text",
    "error_entry",
    "large",
    "changes_of",
    "lasting",
    "day_of",
    "z",
)


class Renderer:
    """Everything that is not markup by a template of ours is escaped."""

    def __init__(self, client: Client, access: Access, sessions: Sessions, root_path: str) -> None:
        self._client, self._access, self._sessions = client, access, sessions
        self.root = root_path.rstrip("/")
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("jobsched.web.pages"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"plain": printable, "short": shown.short, "segment": _segment}
        self._templates.globals |= {
            "root": self.root,
            "version": __version__,
            "assets": hashlib.sha256(b"".join(CONTENTS.values())).hexdigest()[:12],
            "namespace": client.namespace,
            "key_field": KEY_FIELD,
            "query": _query,
            **{name: getattr(shown, name) for name in _SHOWN},
        }

    def prepare(self) -> None:
        """Read every template: the first page of a kind takes a tenth of a second longer otherwise."""
        for name in self._templates.list_templates(extensions=["html"]):
            self._templates.get_template(name)

    def page(self, template: str, request: Request, *, status: int = 200, **values: Any) -> Response:
        now = self._client.store.now()
        role, session = request.state.role, request.state.session
        text = self._templates.get_template(template).render(
            **shown.beside(now),
            may_act=role is not None and role.includes(Role.OPERATE),
            role=role,
            logged_in=not self._access.open,
            form_key=self._sessions.form_key(session),
            place=request.scope["path"],
            done=MESSAGES.get(request.query_params.get("done", "")),
            **values,
        )
        return HTMLResponse(text, status)

    def problem(self, problem: Problem, request: Request) -> Response:
        """An error of what was asked for, with what to do next."""
        return self._error(problem, getattr(request.state, "role", None))

    def refusal(self, path: str, problem: Problem) -> Response:
        """What the gate does not let through; those who are not logged in are led to where they can."""
        if problem.status == 401:
            query = "" if path == "/" else f"?{urlencode({'next': path})}"
            return RedirectResponse(f"{self.root}{LOGIN}{query}", 303)
        return self._error(problem, None)

    def _error(self, problem: Problem, role: Role | None) -> Response:
        # Without the database: it may be what is wrong.
        text = self._templates.get_template("error.html").render(
            problem=problem,
            title=HTTPStatus(problem.status).phrase,
            place="",
            may_act=role is not None and role.includes(Role.OPERATE),
            role=role,
            logged_in=False,
            form_key="",
            done=None,
        )
        return HTMLResponse(text, problem.status, problem.headers)

    def redirect(self, path: str, done: str | None = None) -> Response:
        """After a form, so that loading the page again does not send it again."""
        return RedirectResponse(f"{self.root}{path}" + (f"?done={done}" if done else ""), 303)


def _renderer(request: Request) -> Renderer:
    renderer: Renderer = request.app.state.renderer
    return renderer


TheRenderer: TypeAlias = Annotated[Renderer, Depends(_renderer)]


def _segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(str(text), safe="")


def _query(**fields: Any) -> Markup:
    given: Mapping[str, Any] = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return escape("?" + urlencode(given, doseq=True)) if given else Markup("?")
