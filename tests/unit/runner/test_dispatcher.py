"""The dispatcher: what it had claimed ahead and does not begin."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.clock import SystemClock
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.runner.pool import Pool
from jobsched.runner.service import NotNowError
from jobsched.store.port import ClaimWish
from jobsched.testing.builders import a_pause


def asked_of_the_store(pool: Pool, **options: Any) -> Mapping[str, int]:
    """The shares that the next claim names."""
    asked: list[Mapping[str, int]] = []

    def claim(wish: ClaimWish) -> list[Any]:
        asked.append(wish.shares)
        return []

    store: Any = SimpleNamespace(claim=claim, writes_in_turn=False)
    fit: Any = SimpleNamespace(fit=True, node=1)
    definitions: Any = SimpleNamespace(generations={})
    pauses: Any = SimpleNamespace(of_queues=())
    nothing: Any = None
    dispatcher = Dispatcher(
        store, SystemClock(), Options(**options), definitions, fit, nothing, pool, pauses, lambda _: None
    )
    # Handlers of microseconds: runs are claimed ahead.
    dispatcher.buffer.ran(0.0001)
    dispatcher.buffer.claimed(8, 8)

    dispatcher.step()

    return asked[0]


def test_nothing_is_claimed_ahead_of_a_share(a_held: Callable[..., Held]) -> None:
    first, second, third = a_held(1), a_held(2), a_held(3)
    first.claim = first.claim._replace(queue="mail")
    second.claim = second.claim._replace(queue="mail")
    pool = Pool(2, lambda held: None, lambda: None)
    pool.submit([first, second, third])

    shares = asked_of_the_store(pool, threads=2, queue_threads={"mail": 1, "slow": 1, "wide": 90})

    assert shares == {"mail": 0, "slow": 1}


def test_without_shares_none_is_asked_for(a_held: Callable[..., Held]) -> None:
    assert asked_of_the_store(Pool(2, lambda held: None, lambda: None), threads=2) == {}


def test_runs_claimed_ahead_of_a_queue_that_is_paused_are_given_back(a_held: Callable[..., Held]) -> None:
    mail, other = a_held(1), a_held(2)
    mail.claim = mail.claim._replace(queue="mail")
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


def test_in_a_burst_what_has_ended_is_written_with_the_next_claim_where_one_would_wait_for_the_other() -> None:
    pool, asked = Pool(2, lambda held: None, lambda: None), list[int]()
    node: Any = SimpleNamespace(fit=True, node=1)
    definitions: Any = SimpleNamespace(generations={})
    pauses: Any = SimpleNamespace(of_queues=())
    store: Any = SimpleNamespace(writes_in_turn=True, finish_and_claim=lambda _ended, wish: asked.append(wish.limit))
    nothing: Any = None

    def write_with(write: Callable[[Any], Any]) -> list[Any]:
        write([])
        return []

    dispatcher = Dispatcher(
        store,
        SystemClock(),
        Options(threads=2),
        definitions,
        node,
        nothing,
        pool,
        pauses,
        lambda _: None,
        write_with=write_with,
    )
    dispatcher.buffer.ran(0.0001)
    dispatcher.buffer.claimed(8, 8)

    dispatcher.step()

    assert asked == [10]
