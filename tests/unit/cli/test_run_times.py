"""What `jobsched runs` says of when an attempt started and how long it took."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.cli.runs_command import _took, lateness, state_text
from jobsched.model.run import Covers, Reason, Run, RunState, Source

DUE = datetime(2026, 11, 22, 8, tzinfo=UTC)
NOW = DUE + timedelta(minutes=1)


def run(state: RunState, attempt: int = 1, **instants: timedelta) -> Run:
    """A run whose instants are given as seen from DUE."""
    fields: dict[str, Any] = {name: DUE + away for name, away in instants.items()}
    return Run(
        **{
            **dict.fromkeys(Run.__dataclass_fields__),
            "id": 1,
            "source": Source.TRIGGER,
            "state": state,
            "attempt": attempt,
            "available_at": DUE,
            "created_at": DUE,
            **fields,
        }
    )


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("given", "late", "took"),
    [
        (run(RunState.PENDING, attempt=0), "-", "-"),
        (run(RunState.RUNNING, started_at=SECOND), "+1s", "59s"),
        (run(RunState.SUCCEEDED, started_at=SECOND, finished_at=3 * SECOND), "+1s", "2s"),
        (run(RunState.SCHEDULED, started_at=SECOND, available_at=10 * SECOND), "-", "-"),  # waits for its retry
        (run(RunState.SKIPPED, attempt=0, finished_at=SECOND), "-", "-"),
    ],
)
def test_only_what_is_known_is_told(given: Run, late: str, took: str) -> None:
    assert (lateness(given), _took(given, NOW)) == (late, took)


@pytest.mark.parametrize(("count", "shown"), [(5, "skipped (misfire x5)"), (None, "skipped (misfire, many)")])
def test_a_row_of_several_slots_says_how_many(count: int | None, shown: str) -> None:
    given = replace(run(RunState.SKIPPED), reason=Reason.MISFIRE, covers=Covers(DUE, NOW, count))

    assert state_text(given) == shown
