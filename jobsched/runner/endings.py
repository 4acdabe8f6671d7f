"""Which event tells of the end of an attempt."""

from typing import Any

from jobsched.model.run import Became, Claim, RunState, Transition
from jobsched.observe.events import (
    RunCancelled,
    RunEvent,
    RunFailed,
    RunGivenBack,
    RunRetrying,
    RunSnoozed,
    RunSucceeded,
)

#: Of the characters of an error in an event: a line of the node's log should stay one that can be read, and sent on.
_LONGEST = 2000


def ending(claim: Claim, transition: Transition, stored: Became | None) -> RunEvent:
    """The event of a transition that the store has accepted. `stored`: None if its answer was lost; then as it was meant."""
    if stored is not None and stored != (transition.state, transition.reason):
        transition = transition._replace(state=stored.state, reason=stored.reason)
    run = of_claim(claim)
    match transition.state:
        case RunState.SUCCEEDED:
            return RunSucceeded(**run)
        case RunState.FAILED:
            return RunFailed(reason=transition.reason, error=_short(transition), **run)
        case RunState.CANCELLED:
            return RunCancelled(error=_short(transition), **run)
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


def _short(transition: Transition) -> str:
    """The type of the error and the first line of its message, cut; all of it is kept with the run."""
    error = transition.error or {}
    first = str(error.get("message", "")).splitlines()
    text = f"{error.get('type', transition.reason)}: {first[0] if first else ''}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
