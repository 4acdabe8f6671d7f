"""Which event tells of the beginning of an attempt, and which of its end."""

from datetime import datetime
from typing import Any

from jobsched.model.run import Became, Claim, RunState, Source, Transition
from jobsched.observe.events import (
    AttemptEnded,
    RunCancelled,
    RunFailed,
    RunGivenBack,
    RunRetrying,
    RunSnoozed,
    RunStarted,
    RunSucceeded,
)

#: Of the characters of an error in an event: a line of the node's log should stay one that can be read, and sent on.
_LONGEST = 2000


def beginning(claim: Claim, now: datetime) -> RunStarted:
    """The event of an attempt that begins; `now` by the store's clock, as its times are."""
    # Only of a slot's first start is it known that it should have been at the slot: later ones wait for a retry's delay,
    # a backfill is late on purpose.
    slot = claim.scheduled_at if claim.source is Source.SLOT and claim.attempt == 1 else None
    return RunStarted(
        run=claim.id,
        namespace=claim.namespace,
        job=claim.job,
        handler=claim.handler,
        attempt=claim.attempt,
        node=claim.node,
        queue=claim.queue,
        waited_seconds=_seconds(claim.available_at, now),
        late_seconds=None if slot is None else _seconds(slot, now),
    )


def ending(claim: Claim, transition: Transition, stored: Became | None, seconds: float | None) -> AttemptEnded:
    """The event of a transition that the store has accepted. `stored`: None if its answer was lost; then as it was meant.

    `seconds`: how long the attempt took, if it is known.
    """
    if stored is not None and stored != (transition.state, transition.reason):
        transition = transition._replace(state=stored.state, reason=stored.reason)
    run = of_claim(claim) | {"seconds": None if seconds is None else round(seconds, 6)}
    match transition.state:
        case RunState.SUCCEEDED:
            return RunSucceeded(**run)
        case RunState.FAILED:
            return RunFailed(reason=transition.reason, error=_short(transition), **run)
        case RunState.CANCELLED:
            return RunCancelled(reason=transition.reason, error=_short(transition), **run)
        case RunState.SCHEDULED if transition.available_at is not None:
            if transition.error is None:
                return RunSnoozed(next_at=transition.available_at, **run)
            return RunRetrying(
                reason=transition.reason,
                error=_short(transition),
                max_attempts=claim.max_attempts,
                next_at=transition.available_at,
                **run,
            )
        case _:
            return RunGivenBack(**run)


def of_claim(claim: Claim) -> dict[str, Any]:
    """What every event about a run says of it."""
    return {
        "run": claim.id,
        "namespace": claim.namespace,
        "job": claim.job,
        "handler": claim.handler,
        "attempt": claim.attempt,
    }


def _seconds(since: datetime, until: datetime) -> float:
    """Never below nought: the node's clock may be a little behind."""
    return max(0.0, round((until - since).total_seconds(), 6))


def _short(transition: Transition) -> str:
    """The type of the error and the first line of its message, cut; all of it is kept with the run.

    Where the first line announces others ("stderr ends with:"), the last of them says most.
    """
    error = transition.error or {}
    lines = [line.strip() for line in str(error.get("message", "")).splitlines() if line.strip()]
    told = lines[:1] if len(lines) < 2 or not lines[0].endswith(":") else [lines[0], lines[-1]]
    text = f"{error.get('type', transition.reason)}: {' '.join(told)}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
