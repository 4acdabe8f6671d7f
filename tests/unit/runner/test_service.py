"""A service: what it says of rounds that fail, and of those in which it may do nothing."""

import logging
from collections.abc import Sequence

import pytest

from jobsched.errors import StoreUnavailableError
from jobsched.runner.service import NotNowError, Service
from jobsched.testing.clock import FakeClock


class Rounds(Service):
    """Its rounds end as they are given: by a pause, or by an error; then it ends."""

    name = "rounds"

    def __init__(self, ends: Sequence[float | Exception]) -> None:
        super().__init__(FakeClock())
        self._ends = list(ends)
        self.errors: list[str | None] = []

    def step(self) -> float:
        self.errors.append(self.last_error)
        end = self._ends.pop(0)
        if not self._ends:
            self.stop()
        self.wake()
        if isinstance(end, Exception):
            raise end
        return end


def test_it_works_again_once_a_round_has_worked_and_not_while_it_may_do_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = StoreUnavailableError("away")
    service = Rounds([away, away, NotNowError(), away, 1.0, 1.0])

    with caplog.at_level(logging.INFO, "jobsched"):
        service.start()
        ended = service.join(10)

    assert ended
    assert [record.getMessage() for record in caplog.records] == [
        "rounds failed, trying again: away",
        "rounds works again after 3 failed tries",
    ]
    assert service.errors == [None, "away", "away", "away", "away", None]
