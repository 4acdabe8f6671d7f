"""What is told of an attempt's end."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsched.model.run import Became, Reason, RunState
from jobsched.observe.events import RunFailed, RunRetrying
from jobsched.runner.endings import ending
from jobsched.runner.held import Held
from jobsched.testing.builders import a_transition

FAILED = Became(RunState.FAILED, Reason.ERROR)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no such file", "OSError: no such file"),
        ("two\nlines", "OSError: two"),
        ("exit code 3; stderr ends with:\nfirst\nboo\n\n", "OSError: exit code 3; stderr ends with: boo"),
        ("", "OSError: "),
    ],
)
def test_a_failure_is_told_in_one_line_with_its_cause(a_held: Callable[..., Held], message: str, told: str) -> None:
    claim = a_held().claim
    transition = a_transition(claim, RunState.FAILED, reason=Reason.ERROR, error=error(message))

    event = ending(claim, transition, FAILED, 1.0)

    assert isinstance(event, RunFailed)
    assert event.error == told


def test_when_it_is_tried_again_is_told_to_the_second(a_held: Callable[..., Held]) -> None:
    claim = a_held().claim
    again = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    transition = a_transition(claim, RunState.SCHEDULED, reason=Reason.ERROR, error=error("no"), available_at=again)

    event = ending(claim, transition, Became(RunState.SCHEDULED, Reason.ERROR), 1.0)

    assert isinstance(event, RunRetrying)
    assert event.next_at == again
    assert "next at 2026-01-02 03:04:05+00:00: OSError: no" in str(event)


def error(message: str) -> dict[str, Any]:
    return {"type": "OSError", "message": message}
