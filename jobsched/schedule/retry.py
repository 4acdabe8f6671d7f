"""What becomes of a run when an attempt ends: from the outcome to the transition, and when the next attempt is made."""

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Literal

from jobsched.model.instants import as_utc, format_instant
from jobsched.model.job import Retries
from jobsched.model.run import Claim, OwnedRun, Reason, RunState, Transition
from jobsched.model.text import storable

#: The loss that ends a run for good: a handler that kills its node must stop.
MOST_LOSSES = 3
#: Bytes of an error's texts that are kept: the beginning of the message, the end of the traceback.
LONGEST_MESSAGE, LONGEST_TRACEBACK = 10_000, 30_000

_LONGEST_TYPE = 200
_LONGEST_DELAY = timedelta(days=36_500)
_CUT = "…"
#: An enum looks its members up each time.
_SUCCEEDED = RunState.SUCCEEDED
#: What stands on a transition behind its result, where there is nothing to say of it.
_NOTHING_MORE = tuple(
    Transition._field_defaults[name] for name in Transition._fields[Transition._fields.index("result") + 1 :]
)


def backoff(retries: Retries, attempt: int, *, run_id: int) -> timedelta:
    """The delay after failed attempt number `attempt`, from 1. With the defaults: 10 s, 20 s, 40 s … 10 min.

    Up to the share `jitter` shorter or longer, always the same for a run and attempt; never longer than `max_delay`.
    """
    delay, cap = retries.delay.total_seconds(), retries.max_delay.total_seconds()
    wanted = min(delay * _growth(retries, attempt), cap) if delay else 0.0
    spread = wanted * (1 + retries.jitter * _swing(run_id, attempt))
    # What would pass the cap is folded back below it: were it cut off, half of the runs would come at one instant.
    return timedelta(seconds=max(2 * cap - spread if spread > cap else spread, 0.0))


def heals(retries: Retries, names: AbstractSet[str]) -> bool:
    """Whether another attempt is worth making after an error of these names: those that it goes by, its base classes' too."""
    if not names.isdisjoint(retries.no_retry_on):
        return False
    return not retries.retry_on or not names.isdisjoint(retries.retry_on)


def _growth(retries: Retries, attempt: int) -> float:
    match retries.backoff:
        case "constant":
            return 1.0
        case "linear":
            return float(attempt)
        case "exponential":
            try:
                return retries.factor ** (attempt - 1)
            except OverflowError:
                return float("inf")


def _swing(run_id: int, attempt: int) -> float:
    """A number from -1 up to 1 that depends on nothing but the two."""
    digest = hashlib.sha256(f"{run_id}\0{attempt}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**47 - 1


def after_success(claim: Claim, result: Any) -> Transition:
    # Each run that is performed comes by here: so the tuple is made at once, in the order of the fields.
    return tuple.__new__(
        Transition,
        (
            claim.id,
            claim.claim_no,
            claim.node,
            _SUCCEEDED,
            claim.attempt,
            claim.losses,
            None,
            None,
            result,
            *_NOTHING_MORE,
        ),
    )


def after_failure(
    claim: Claim,
    retries: Retries,
    error: Mapping[str, Any],
    reason: Reason,
    now: datetime,
    *,
    retry: bool = True,
    retry_after: timedelta | None = None,
) -> Transition:
    """Another attempt later while the run has attempts left, else failed.

    `error`: `type`, `message` and perhaps `traceback`. `retry` False: an error that no repetition heals.
    `retry_after`: the handler's own wish instead of the backoff. Attempts that were lost with their node do not count.
    """
    entry = error_entry(error, attempt=claim.attempt, at=now, reason=reason)
    failures = claim.attempt - claim.losses
    if not retry or failures >= claim.max_attempts:
        return _of_claim(claim, RunState.FAILED, reason=reason, error=entry)
    delay = backoff(retries, failures, run_id=claim.id) if retry_after is None else retry_after
    # The reason stands on the waiting run too: it says that this is a retry, and of what, should its job be removed.
    return _of_claim(claim, RunState.SCHEDULED, reason=reason, available_at=_later(now, delay), error=entry)


def after_snooze(claim: Claim, until: datetime | timedelta, now: datetime) -> Transition:
    """Back at `until`, or at once if that has passed; the attempt does not count. Raises ValueError on a naive instant."""
    instant = _later(now, until) if isinstance(until, timedelta) else max(as_utc(until), now)
    return _of_claim(claim, RunState.SCHEDULED, attempt=claim.attempt - 1, available_at=instant)


def after_cancel(claim: Claim, message: str, now: datetime, *, reason: Reason = Reason.CANCELLED) -> Transition:
    """Ended without retry, at the handler's wish or a person's; `message` says why."""
    error = {"type": "Cancel", "message": message}
    entry = error_entry(error, attempt=claim.attempt, at=now, reason=reason)
    return _of_claim(claim, RunState.CANCELLED, reason=reason, error=entry)


def given_back(claim: Claim) -> Transition:
    """Not started, or stopped by a shutdown: pending again, as if it had not been claimed."""
    return _of_claim(claim, RunState.PENDING, attempt=claim.attempt - 1)


def given_back_owned(owned: OwnedRun) -> Transition:
    """`given_back` for a run that a node owns in the store without knowing of it."""
    return _of_owned(owned, RunState.PENDING, attempt=owned.attempt - 1, losses=owned.losses)


def after_loss(owned: OwnedRun, on_crash: Literal["retry", "fail"], now: datetime) -> Transition:
    """What becomes of the run of a dead node: pending again, or failed(lost) if the job says so or it was the third loss."""
    losses = owned.losses + 1
    error = {"type": "NodeLost", "message": f"node {owned.node} died or lost its lease during this attempt"}
    entry = error_entry(error, attempt=owned.attempt, at=now, reason=Reason.LOST)
    if on_crash == "fail" or losses >= MOST_LOSSES:
        return _of_owned(owned, RunState.FAILED, attempt=owned.attempt, losses=losses, reason=Reason.LOST, error=entry)
    return _of_owned(owned, RunState.PENDING, attempt=owned.attempt, losses=losses, reason=Reason.LOST, error=entry)


def error_entry(error: Mapping[str, Any], *, attempt: int, at: datetime, reason: Reason) -> dict[str, Any]:
    """One attempt's error as the run keeps it: of bounded size, and of text that every database can store."""
    entry: dict[str, Any] = {
        "attempt": attempt,
        "at": format_instant(at),
        "reason": reason.value,
        "type": _beginning(storable(str(error.get("type", ""))), _LONGEST_TYPE),
        "message": _beginning(storable(str(error.get("message", ""))), LONGEST_MESSAGE),
    }
    if error.get("traceback"):
        entry["traceback"] = _end(storable(str(error["traceback"])), LONGEST_TRACEBACK)
    return entry


def _beginning(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8; a character that would be cut is dropped."""
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[: size - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _end(text: str, size: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= size else _CUT + encoded[len(_CUT.encode()) - size :].decode(errors="ignore")


def _later(now: datetime, delay: timedelta) -> datetime:
    return now + min(max(delay, timedelta(0)), _LONGEST_DELAY)


def _of_claim(
    claim: Claim,
    state: RunState,
    *,
    attempt: int | None = None,
    reason: Reason | None = None,
    available_at: datetime | None = None,
    result: Any = None,
    error: Mapping[str, Any] | None = None,
) -> Transition:
    return Transition(
        id=claim.id,
        claim_no=claim.claim_no,
        node=claim.node,
        state=state,
        attempt=claim.attempt if attempt is None else attempt,
        losses=claim.losses,
        reason=reason,
        available_at=available_at,
        result=result,
        error=error,
    )


def _of_owned(
    owned: OwnedRun,
    state: RunState,
    *,
    attempt: int,
    losses: int,
    reason: Reason | None = None,
    error: Mapping[str, Any] | None = None,
) -> Transition:
    return Transition(
        id=owned.id,
        claim_no=owned.claim_no,
        node=owned.node,
        state=state,
        attempt=attempt,
        losses=losses,
        reason=reason,
        error=error,
    )
