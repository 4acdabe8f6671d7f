"""Runs as a node holds them, without a store."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from jobsched.clock import Clock, SystemClock
from jobsched.handlers.cancel import CancelToken
from jobsched.model.run import Claim, Source
from jobsched.observe.runlog import RunLog
from jobsched.runner.held import Held

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def a_held() -> Callable[..., Held]:
    """Makes a held ad-hoc run by its id."""

    def make(number: int = 1, clock: Clock | None = None) -> Held:
        clock = clock or SystemClock()
        claim = Claim(
            id=number,
            claim_no=1,
            node=1,
            namespace="default",
            job=None,
            job_revision=None,
            handler="h",
            source=Source.ENQUEUE,
            queue="default",
            attempt=1,
            max_attempts=1,
            losses=0,
            scheduled_at=None,
            available_at=AT,
            started_at=AT,
            generation=None,
            payload={},
            key=None,
        )
        return Held(claim, CancelToken(clock), RunLog(number, 1, clock))

    return make
