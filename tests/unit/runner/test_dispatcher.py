"""The dispatcher: what it had claimed ahead and does not begin."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.clock import SystemClock
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.runner.pool import Pool
from jobsched.runner.service import NotNowError
from jobsched.testing.builders import a_pause


def test_runs_claimed_ahead_of_a_queue_that_is_paused_are_given_back(a_held: Callable[..., Held]) -> None:
    mail, other = a_held(1), a_held(2)
    mail.claim = replace(mail.claim, queue="mail")
    pool, back = Pool(1, lambda held: None, lambda: None), list[Held]()
    pool.submit([mail, other])
    pauses: Any = SimpleNamespace(of_queues=(a_pause("queue", "mail"),), holds=lambda _, queue: queue == "mail")
    unfit: Any = SimpleNamespace(fit=False)
    nothing: Any = None
    dispatcher = Dispatcher(
        nothing, SystemClock(), Options(threads=1), nothing, unfit, nothing, pool, pauses, back.append
    )
    dispatcher.buffer.ran(0.0001)
    dispatcher.buffer.claimed(8, 8)

    with pytest.raises(NotNowError):
        dispatcher.step()

    assert (back, pool.waiting) == ([mail], 1)
