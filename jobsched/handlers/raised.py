"""What a handler raised, as JSON: for its run's record, and to cross from one process to another."""

import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobsched.errors import Cancel, PayloadError, RemoteError, ResultError, Retry, Snooze
from jobsched.model.text import storable

_OWN = str(Path(__file__).parent.parent)
#: Characters of a text that cross; the run's record keeps fewer.
_MOST = 100_000
#: Errors of ours whose type decides what becomes of the run; their text is all that they hold.
_JUDGED = {"PayloadError": PayloadError, "ResultError": ResultError}


def error_entry(error: BaseException) -> dict[str, Any]:
    """An exception as a run keeps it; the traceback begins in the handler, not in our pipeline."""
    if isinstance(error, RemoteError):
        return dict(error.entry)
    entry: dict[str, Any] = {"type": type(error).__name__, "message": text_of(error)}
    if isinstance(error, Retry):
        return entry  # a wish, not a fault: where it was made says nothing
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OWN)]
    if theirs:
        entry["traceback"] = "".join(traceback.format_list(theirs))
    return entry


def text_of(error: BaseException) -> str:
    """What the exception says; some cannot even be asked."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - a handler's own __str__
        return f"(its text could not be had: {type(second).__name__})"


def to_json(error: BaseException) -> dict[str, Any]:
    """All that matters of it elsewhere; its object stays where it was raised."""
    told: dict[str, Any] = {
        "entry": {name: storable(text[:_MOST]) for name, text in error_entry(error).items()},
        "classes": [storable(f"{kind.__module__}.{kind.__qualname__}") for kind in type(error).__mro__],
    }
    match error:
        case Retry():
            told["retry"] = None if error.after is None else error.after.total_seconds()
        case Snooze(until=datetime() as until):
            told["snooze_until"] = until.isoformat()
        case Snooze(until=timedelta() as until):
            told["snooze"] = until.total_seconds()
        case Cancel():
            told["cancel"] = True
    return told


def from_json(told: dict[str, Any]) -> Exception:
    """What stands for it here: wishes and our own errors as they were, all else as RemoteError.

    Raises KeyError, TypeError or ValueError on what `to_json` did not write: it came from a handler's process.
    """
    entry = {str(name): str(text) for name, text in told["entry"].items()}
    message = entry["message"]
    if "retry" in told:
        return Retry(after=told["retry"], reason=message)
    if "snooze_until" in told:
        return Snooze(datetime.fromisoformat(told["snooze_until"]))
    if "snooze" in told:
        return Snooze(told["snooze"])
    if "cancel" in told:
        return Cancel(message)
    if (judged := _JUDGED.get(entry["type"])) is not None:
        return judged(message)
    return RemoteError(entry, tuple(map(str, told["classes"])))
