"""What a handler raised, as JSON: for its run's record, and to cross from one process to another."""

import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobsched.errors import Cancel, CommandError, HttpError, PayloadError, RemoteError, ResultError, Retry, Snooze
from jobsched.model.text import storable

#: Of a chain of errors, each raised from the one before, so many are kept.
_MOST_CAUSES = 10
_OWN = str(Path(__file__).parent.parent)
#: Characters of a text that cross; the run's record keeps fewer.
_MOST = 100_000
#: Errors of ours whose type decides what becomes of the run, as they cross; their text is all that they hold.
_JUDGED = {"payload": PayloadError, "result": ResultError}


def error_entry(error: BaseException) -> dict[str, Any]:
    """An exception as a run keeps it; the traceback begins in the handler, not in our pipeline."""
    if isinstance(error, RemoteError):
        return dict(error.entry)
    entry: dict[str, Any] = {"type": type(error).__name__, "message": text_of(error)}
    if isinstance(error, Retry):
        return entry  # a wish, not a fault: where it was made says nothing
    # As Python writes a chain: what came first, first. The last one's own line is the entry's message.
    parts = [_frames_of(error)]
    cause, seen = _cause_of(error), {id(error)}
    while cause is not None and id(cause) not in seen and len(seen) < _MOST_CAUSES:
        seen.add(id(cause))
        parts.insert(0, f"{_frames_of(cause)}{type(cause).__name__}: {text_of(cause)}\n\nand then:\n\n")
        cause = _cause_of(cause)
    if any(parts):
        entry["traceback"] = "".join(parts)
    return entry


def _cause_of(error: BaseException) -> BaseException | None:
    """What it was raised from, or while handling; `from None` hides it, as it does from Python's own tracebacks."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames_of(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OWN)]
    return "".join(traceback.format_list(frames))


def text_of(error: BaseException) -> str:
    """What the exception says; some cannot even be asked."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - a handler's own __str__
        return f"(its text could not be had: {type(second).__name__})"


def names_of(error: BaseException) -> set[str]:
    """What `retry_on` may call it: its class and the bases of that, alone and dotted; an exit code; a status."""
    classes = error.classes if isinstance(error, RemoteError) else _classes_of(error)
    names = {name for dotted in classes for name in (dotted, dotted.rpartition(".")[2])}
    if isinstance(error, CommandError) and error.exit_code is not None:
        names.add(f"exit {error.exit_code}")
    if isinstance(error, HttpError) and error.status is not None:
        names.add(f"status {error.status}")
    return names


def _classes_of(error: BaseException) -> tuple[str, ...]:
    return tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)


def to_json(error: BaseException) -> dict[str, Any]:
    """All that matters of it elsewhere; its object stays where it was raised."""
    told: dict[str, Any] = {
        "entry": {name: storable(text[:_MOST]) for name, text in error_entry(error).items()},
        "classes": [storable(dotted) for dotted in _classes_of(error)],
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
        # By class, not by name: handlers have a PayloadError of their own, which is tried again as any other.
        case PayloadError():
            told["judged"] = "payload"
        case ResultError():
            told["judged"] = "result"
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
    if "judged" in told:
        return _JUDGED[told["judged"]](message)
    return RemoteError(entry, tuple(map(str, told["classes"])))
