"""Sends an alert through apprise, to whatever service its URLs name."""

import ipaddress
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jobsched.errors import NotifyError
from jobsched.handlers.http import refuse_address
from jobsched.model.handler import AppriseHandler

if TYPE_CHECKING:
    from jobsched.handlers.call import Call
    from jobsched.handlers.secrets import Secrets


def apprise_missing() -> str | None:
    """Why nothing can be sent through apprise in this installation; None if it can. Imports nothing."""
    if find_spec("apprise") is not None:
        return None
    return "notifiers with `apprise` need it installed: pip install 'jobsched[alerts]'"


def perform_apprise(call: "Call", handler: AppriseHandler, secrets: "Secrets") -> dict[str, Any]:
    """Send title and text of the payload to each URL; `{"sent": n}`. Raises NotifyError if one of them was not reached.

    Messages show URLs as declared: resolved they are secrets.
    """
    if problem := apprise_missing():
        raise NotifyError(problem)
    import apprise

    title, text = str(call.payload.get("title", "")), str(call.payload.get("text", ""))
    failed = []
    for declared in handler.urls:
        url = secrets.resolve(declared)
        _refuse(url, declared)
        receiver = apprise.Apprise()
        if not receiver.add(url):
            raise NotifyError(f"{declared}: apprise does not know this kind of URL")
        if not receiver.notify(title=title, body=text):
            failed.append(declared)
        call.cancel.check()
    if failed:
        raise NotifyError(f"not sent to {', '.join(failed)}: the service refused it, or was not reached")
    return {"sent": len(handler.urls)}


def _refuse(url: str, declared: str) -> None:
    """Addresses are looked at where they stand; of most services the place of the host is a token, which no resolver is told."""
    with suppress(ValueError):
        host = urlsplit(url).hostname or ""
        ipaddress.ip_address(host)
        refuse_address(host, declared)
