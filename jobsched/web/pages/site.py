"""Which addresses are pages for people, and what holds for those: headers, and the forms that they send."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import State

from jobsched.model.text import storable
from jobsched.web.problems import Problem

#: First parts of their paths.
_PAGES = frozenset(
    {
        "",
        "jobs",
        "week",
        "runs",
        "queues",
        "everything",
        "nodes",
        "generations",
        "doctor",
        "audit",
        "login",
        "logout",
        "static",
    }
)
LOGIN, LOGOUT = "/login", "/logout"
FORM_TYPE = "application/x-www-form-urlencoded"
MOST_FORM_BYTES = 64 * 1024
_MOST_FIELDS = 20
#: A form's field that shows that a page of ours sent it.
KEY_FIELD = "form_key"
#: `same-origin`: with `no-referrer` browsers hide where a form comes from, which is what is looked at.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}


def is_page(path: str) -> bool:
    return path.startswith("/") and path[1:].partition("/")[0] in _PAGES


def needs_nobody(path: str) -> bool:
    """Whether it is for those too who are not logged in: it tells nothing."""
    return path in (LOGIN, LOGOUT) or path.startswith("/static/")


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Problem."""
    if len(body) > MOST_FORM_BYTES:
        raise Problem(413, "too_large", f"the form is larger than {MOST_FORM_BYTES:,} bytes")
    try:
        fields = dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError:
        raise Problem(400, "not_form", "this is no form of a page") from None
    if any(storable(value) != value for value in fields.values()):
        raise Problem(422, "invalid", "a text holds NUL, which no database keeps")
    return fields


def sent_form(state: State) -> dict[str, str]:
    """The form that the gate has let through."""
    form: dict[str, Any] = state.form
    return form


def way_back(text: str | None) -> str:
    """Where to go after the login: a page of this server and nothing else."""
    address = urlsplit(text or "/")
    safe = not address.scheme and not address.netloc and is_page(address.path) and "\\" not in (text or "")
    if not safe or address.path.startswith("//") or needs_nobody(address.path):
        return "/"
    return address.path + (f"?{address.query}" if address.query else "")
