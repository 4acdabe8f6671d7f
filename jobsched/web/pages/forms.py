"""What forms of pages hold: how long, why, with which payload."""

import json
from datetime import timedelta
from typing import Any

from fastapi import Request

from jobsched.model.durations import parse_duration
from jobsched.web.pages.site import sent_form
from jobsched.web.problems import Problem

_LONGEST_REASON = 1000


def reason_of(request: Request) -> str | None:
    """Raises Problem."""
    reason = sent_form(request.state).get("reason", "").strip()
    if len(reason) > _LONGEST_REASON:
        raise Problem(422, "invalid", f"a reason has {_LONGEST_REASON} characters at most")
    return reason or None


def duration_of(request: Request) -> timedelta | None:
    """None: without an end. Raises Problem."""
    text = sent_form(request.state).get("duration", "").strip()
    try:
        duration = parse_duration(text) if text else None
    except ValueError as error:
        raise Problem(422, "invalid", f"how long: {error}") from None
    if duration == timedelta(0):
        raise Problem(
            422, "invalid", "how long: a pause lasts longer than nothing; leave it empty for one without an end"
        )
    return duration


def payload_of(request: Request) -> dict[str, Any] | None:
    """None: that of the job. Raises Problem."""
    text = sent_form(request.state).get("payload", "").strip()
    if not text:
        return None
    try:
        payload = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Problem(422, "invalid", f"payload: this is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise Problem(422, "invalid", 'payload: it has to be a JSON object, like {"region": "eu"}')
    return payload


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
