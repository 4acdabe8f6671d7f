"""What a job or run performs, as a value: a Python callable by name, a command, a shell text, or an HTTP call.

A run keeps its handler as one text: the name of a Python handler as it is, the other kinds as a JSON object
with one key (`{"command": ["df", "-h"]}`). No name starts with a brace, so the two cannot be confused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class PythonHandler:
    """`module:callable`, or the name that a function was registered under with `@handler`."""

    name: str


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """An argv, started without a shell."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShellHandler:
    """A text for /bin/sh -c."""

    script: str


@dataclass(frozen=True, slots=True)
class HttpHandler:
    """One HTTP call. `json`: the body (None: the payload, for methods that carry one). `expect`: codes that succeed.

    `method` None: decided when the call is made, GET unless there is something to send, which is POST.
    """

    url: str
    method: str | None = None
    # Compared, but not hashed: what JSON holds has no hash.
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    json: Any = field(default=None, hash=False)
    expect: tuple[int, ...] = ()  #: empty: any 2xx


Handler: TypeAlias = PythonHandler | CommandHandler | ShellHandler | HttpHandler


@dataclass(frozen=True, slots=True)
class AppriseHandler:
    """Messages sent by apprise. The URLs hold references: they are secrets as a whole."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotifyHandler:
    """What sends one alert; only runs that jobsched makes by itself have it, no job does."""

    notifier: str
    target: Handler | AppriseHandler


def handler_definition(handler: Handler) -> tuple[str, Any]:
    """The field of jobs.yaml that declares this handler, and its value as JSON."""
    match handler:
        case PythonHandler(name):
            return "handler", name
        case CommandHandler(argv):
            return "command", list(argv)
        case ShellHandler(script):
            return "shell", script
        case HttpHandler():
            call: dict[str, Any] = {"url": handler.url}
            if handler.method is not None:
                call = {"method": handler.method, **call}
            if handler.headers:
                call["headers"] = dict(handler.headers)
            if handler.json is not None:
                call["json"] = handler.json
            if handler.expect:
                call["expect"] = list(handler.expect)
            return "http", call


def handler_kind(handler: Handler | AppriseHandler | NotifyHandler) -> str:
    """One word for what is performed, which tells nothing of it."""
    return "notify" if isinstance(handler, NotifyHandler) else target_definition(handler)[0]


def target_definition(target: Handler | AppriseHandler) -> tuple[str, Any]:
    """As `handler_definition`, of what a notifier sends with."""
    return ("apprise", list(target.urls)) if isinstance(target, AppriseHandler) else handler_definition(target)


def target_from_definition(kind: str, value: Any) -> Handler | AppriseHandler:
    """The inverse of `target_definition`."""
    return AppriseHandler(tuple(value)) if kind == "apprise" else handler_from_definition(kind, value)


def handler_from_definition(kind: str, value: Any) -> Handler:
    """The inverse of `handler_definition`. Raises ValueError on a kind that is none."""
    match kind:
        case "handler":
            return PythonHandler(value)
        case "command":
            return CommandHandler(tuple(value))
        case "shell":
            return ShellHandler(value)
        case "http":
            return HttpHandler(
                url=value["url"],
                method=value.get("method"),
                headers=value.get("headers", {}),
                json=value.get("json"),
                expect=tuple(value.get("expect", ())),
            )
        case _:
            raise ValueError(f"{kind!r} is no kind of handler")


def handler_text(handler: Handler | NotifyHandler) -> str:
    """The handler as a run keeps it."""
    if isinstance(handler, PythonHandler):
        return handler.name
    if isinstance(handler, NotifyHandler):
        written: dict[str, Any] = {
            "notify": {"notifier": handler.notifier, **dict([target_definition(handler.target)])}
        }
    else:
        written = dict([handler_definition(handler)])
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


#: Most runs are of a few handlers.
_python_handler = lru_cache(maxsize=256)(PythonHandler)


def handler_from_text(text: str) -> Handler | NotifyHandler:
    """The inverse of `handler_text`. Raises ValueError on what is none."""
    if not text.startswith("{"):
        return _python_handler(text)
    [(kind, value)] = json.loads(text).items()
    if kind != "notify":
        return handler_from_definition(kind, value)
    [target] = [item for item in value.items() if item[0] != "notifier"]
    return NotifyHandler(value["notifier"], target_from_definition(*target))
