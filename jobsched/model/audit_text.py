"""Acts in words, for a terminal or a page."""

import re

from jobsched.model.audit import Action, AuditRow

#: Nobody reads microseconds of an instant.
_SPLIT_SECONDS = re.compile(r"(?<=:\d\d)\.\d+Z$")
_OF_RUNS = frozenset({Action.CANCEL, Action.REQUEUE, Action.RESCHEDULE, Action.DELETE, Action.ENQUEUE})


def target_text(row: AuditRow) -> str:
    """To what it was done: `job nightly`, `run 7 of nightly`, `12 runs of nightly`, `queue mail`, `everything`."""
    if row.run is not None:
        return f"run {row.run}" + (f" of {row.job}" if row.job else "")
    if row.action in _OF_RUNS:
        whose = f" of {row.job}" if row.job else f" in queue {row.queue}" if row.queue else ""
        return f"{row.count:,} runs{whose}"
    if row.job is not None:
        return f"job {row.job}" + (f", {row.count:,} slots" if row.action is Action.BACKFILL else "")
    return f"queue {row.queue}" if row.queue is not None else "everything"


def details_text(row: AuditRow) -> str:
    """`until 2026-11-22T02:30:00Z, reason: a move`: the reason last, since it is as long as somebody liked."""
    told = {name: value for name, value in row.details.items() if name != "reason"}
    parts = [f"{name.replace('_', ' ')} {_SPLIT_SECONDS.sub('Z', str(value))}" for name, value in told.items()]
    if row.details.get("reason"):
        parts.append(f"reason: {row.details['reason']}")
    return ", ".join(parts)
