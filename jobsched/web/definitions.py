"""What a definition, or an enqueued run, may name over HTTP: registered handlers, and nothing that is code of the sender's."""

from collections.abc import Mapping
from typing import Any

from jobsched.handlers.registry import REGISTERED_NAME
from jobsched.web.access import Access
from jobsched.web.problems import Problem

#: `ping` too: its URLs are called by nodes, which put their own environment in place of `${VAR}`.
_CODE = ("command", "shell", "http", "ping")


def check_handler(name: str, access: Access) -> None:
    """Raise Problem for what is no registered name: import paths have a colon; a command or a call is JSON."""
    if not access.allow_definitions and not REGISTERED_NAME.fullmatch(name):
        raise Problem(
            422,
            "handler_refused",
            f"{name[:80]!r} is no name of a registered handler, and nothing else may be named over HTTP; "
            "register it with @handler under a name, or set settings.api.allow_definitions",
        )


def check_definition(definition: Mapping[str, Any], access: Access) -> None:
    """Raise Problem if it, or its `on_failure`, performs anything but a registered handler, or calls a URL."""
    on_failure = definition.get("on_failure")
    for part in (definition, on_failure if isinstance(on_failure, Mapping) else {}):
        kind = next((kind for kind in _CODE if kind in part), None)
        if kind is not None and not access.allow_definitions:
            raise Problem(
                422,
                "handler_refused",
                f"`{kind}` may not be declared over HTTP, only the name of a registered handler; "
                "settings.api.allow_definitions allows it",
            )
        if isinstance(part.get("handler"), str):
            check_handler(part["handler"], access)
