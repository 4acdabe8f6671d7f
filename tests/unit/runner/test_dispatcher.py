"""The dispatcher: what it had claimed ahead and does not begin."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.clock import SystemClock, Waitable
from jobsched.errors import StoreUnavailableError
from jobsched.model.run import RunState
from jobsched.runner.dispatcher import Dispatcher, HeldFire
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.runner.pool import Pool
from jobsched.runner.service import NotNowError
from jobsched.store.port import ClaimWish
from jobsched.testing.builders import a_pause

AT = datetime(2026, 1, 1, tzinfo=UTC)


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


class Firing:
    """A dispatcher whose store notes what is asked for along with what is fired, and claims all of that."""

    def __init__(self, a_held: Callable[..., Held], *, threads: int = 2, waiting: int = 0, **options: Any) -> None:
        self.asked: list[int] = []
        self.pool = Pool(threads, lambda held: None, lambda: None)
        self.given_back: list[Held] = []
        self._a_held = a_held
        store: Any = SimpleNamespace(
            claim=lambda wish: [a_held(n).claim for n in range(min(waiting, wish.limit))],
            fire=lambda firings: [],
            fire_and_claim=self._fire_and_claim,
            fire_ahead=self._fire_ahead,
            writes_in_turn=False,
        )
        heartbeat: Any = SimpleNamespace(fit=True, node=1, longest_claim=10)
        self.heartbeat = heartbeat
        definitions: Any = SimpleNamespace(generations={}, load=lambda wanted: None)
        pauses: Any = SimpleNamespace(of_queues=())
        self.definitions, self.pauses = definitions, pauses
        held: Any = SimpleNamespace(add=lambda runs: None)
        self.dispatcher = Dispatcher(
            store,
            SystemClock(),
            Options(threads=threads, **options),
            definitions,
            heartbeat,
            held,
            self.pool,
            pauses,
            self.given_back.append,
        )

    def _fire_and_claim(self, firings: Any, wish: ClaimWish) -> tuple[list[Any], list[Any]]:
        self.asked.append(wish.limit)
        return [], [self._a_held(100 + n).claim for n in range(min(len(firings), wish.limit))]

    def _fire_ahead(self, firings: Any, wish: ClaimWish | None, at: datetime) -> Any:
        self.asked.append(0 if wish is None else wish.limit)
        claims = [self._a_held(200 + n).claim for n in range(0 if wish is None else min(len(firings), wish.limit))]
        return SimpleNamespace(claims=claims, commit=lambda: firings)

    def hold(self, count: int, *, first: bool = True) -> HeldFire:
        firings: Any = [None] * count
        held = self.dispatcher.hold(firings, AT, first=first)
        assert held is not None
        return held

    def fire(self, count: int) -> None:
        firings: Any = [None] * count
        self.dispatcher.fire(firings)


def noted_claims(node: Firing, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many runs it asks from now on; it gets none."""
    claimed: list[int] = []

    def claim(asked: int) -> int:
        claimed.append(asked)
        return 0

    monkeypatch.setattr(node.dispatcher, "_claim", claim)
    return claimed


def test_of_what_is_fired_a_node_claims_what_it_has_room_for(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()

    node.fire(5)
    node.fire(5)

    assert (node.asked, node.pool.waiting) == ([2], 2)


def test_nothing_is_claimed_with_what_is_fired_while_more_may_wait(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2, waiting=2)

    node.fire(5)  # it has not looked yet
    node.dispatcher.step()
    node.pool.take_waiting()
    node.fire(5)  # its claim came back full

    assert node.asked == []


def test_what_was_claimed_with_what_was_fired_is_given_back_when_the_answer_comes_too_late(
    a_held: Callable[..., Held],
) -> None:
    node = Firing(a_held)
    node.dispatcher.step()
    node.heartbeat.longest_claim = -1

    node.fire(1)

    assert (len(node.given_back), node.pool.waiting) == (1, 0)


def test_of_what_is_fired_ahead_it_claims_what_it_has_room_for_of_the_first_alone(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()

    first, second = node.hold(5), node.hold(5, first=False)
    created = node.dispatcher.commit(first), node.dispatcher.commit(second)

    assert node.asked == [2, 0]
    assert [len(each or ()) for each in created] == [5, 5]
    assert node.pool.waiting == 2


def test_no_place_is_promised_to_what_is_fired_ahead(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    held = node.hold(5)

    node.pool.submit([a_held(1)])

    assert node.dispatcher._places == 1
    assert node.dispatcher.commit(held) is None
    assert node.pool.waiting == 1


@pytest.mark.parametrize("changed", ["node", "pause", "generation", "fit"])
def test_what_is_fired_ahead_is_not_committed_by_a_node_that_would_not_ask_for_it_now(
    a_held: Callable[..., Held], changed: str
) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    held = node.hold(2)

    if changed == "node":
        node.heartbeat.node = 2
    elif changed == "pause":
        node.pauses.of_queues = ("mail",)
    elif changed == "generation":
        node.definitions.generations = {"default": 2}
    else:
        node.heartbeat.fit = False

    assert node.dispatcher.commit(held) is None
    assert node.pool.waiting == 0


def test_places_promised_to_what_is_being_fired_are_not_claimed_for(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    claimed = noted_claims(node, monkeypatch)

    def meanwhile(firings: Any, wish: ClaimWish) -> tuple[list[Any], list[Any]]:
        node.dispatcher.step()
        return [], []

    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", meanwhile)
    node.fire(2)

    assert claimed == []
    assert node.dispatcher._bell.is_set()
    node.dispatcher.step()
    assert claimed == [2]


def test_threads_that_are_being_claimed_for_are_not_promised(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()

    def meanwhile(wish: ClaimWish) -> list[Any]:
        node.fire(2)
        return [a_held(n).claim for n in range(wish.limit)]

    monkeypatch.setattr(node.dispatcher._store, "claim", meanwhile)
    node.dispatcher.step()

    assert (node.asked, node.pool.waiting) == ([], 2)


def test_places_that_were_promised_in_vain_are_claimed_for(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=3)
    node.dispatcher.step()

    def meanwhile(firings: Any, wish: ClaimWish) -> tuple[list[Any], list[Any]]:
        node.dispatcher.wake()
        monkeypatch.setattr(node.dispatcher._store, "claim", lambda wish: [a_held(n).claim for n in range(wish.limit)])
        node.dispatcher.step()
        return [], []

    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", meanwhile)
    node.fire(1)

    assert node.pool.waiting == 2
    assert node.dispatcher._bell.is_set()
    node.dispatcher.step()
    assert node.pool.waiting == 3


def test_while_nothing_waits_but_what_is_fired_a_thread_that_comes_free_is_left_to_it(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=3)
    node.dispatcher.step()
    claimed = noted_claims(node, monkeypatch)

    def meanwhile(firings: Any, wish: ClaimWish) -> tuple[list[Any], list[Any]]:
        node.dispatcher.thread_freed()
        node.dispatcher.step()
        return [], []

    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", meanwhile)
    node.fire(1)

    assert claimed == []
    assert node.dispatcher._bell.is_set()
    node.dispatcher.step()
    assert claimed == [3]


def test_a_claim_that_failed_is_made_again_while_more_is_fired(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=3)
    node.dispatcher.step()
    node.dispatcher.wake()
    tries: list[int] = []

    def claim(wish: ClaimWish) -> list[Any]:
        tries.append(wish.limit)
        if len(tries) == 1:
            raise StoreUnavailableError("away")
        return []

    def meanwhile(firings: Any, wish: ClaimWish) -> tuple[list[Any], list[Any]]:
        with pytest.raises(StoreUnavailableError):
            node.dispatcher.step()
        node.dispatcher.step()
        node.dispatcher.step()
        return [], []

    monkeypatch.setattr(node.dispatcher._store, "claim", claim)
    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", meanwhile)
    node.fire(1)

    assert tries == [2, 2]  # and none where nothing waited


def test_what_was_fired_and_waits_is_claimed_before_what_is_fired_next(
    a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    waits: Any = SimpleNamespace(state=RunState.PENDING)

    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", lambda firings, wish: ([waits], []))
    node.fire(1)
    monkeypatch.setattr(node.dispatcher._store, "fire_and_claim", node._fire_and_claim)
    node.fire(1)

    assert node.asked == []


def test_what_is_fired_waits_for_places_that_quick_handlers_free(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    node.dispatcher.buffer.ran(0.0001)
    node.dispatcher.buffer.claimed(8, 8)
    node.pool.submit([a_held(n) for n in range(10)])
    waits = threading.Event()

    class Waiting(SystemClock):
        def wait(self, event: Waitable, seconds: float | None) -> bool:
            waits.set()
            return super().wait(event, 60 if seconds else seconds)

    node.dispatcher.clock = Waiting()
    firing = threading.Thread(target=node.fire, args=(8,))
    firing.start()
    assert waits.wait(60)
    node.pool.take_waiting()
    node.dispatcher.thread_freed()
    firing.join(60)

    assert node.asked == [8]


def test_where_queues_have_shares_what_is_fired_waits_for_a_claim(a_held: Callable[..., Held]) -> None:
    node = Firing(a_held, threads=2, queue_threads={"mail": 2})
    node.dispatcher.step()

    node.fire(2)

    assert (node.asked, node.pool.waiting) == ([], 0)


def test_what_was_claimed_beyond_the_threads_with_what_was_fired_is_looked_at_as_it_waits(
    a_held: Callable[..., Held],
) -> None:
    node = Firing(a_held, threads=2)
    node.dispatcher.step()
    node.dispatcher.buffer.ran(0.0001)
    node.dispatcher.buffer.claimed(8, 8)

    node.fire(2)
    assert not node.dispatcher._bell.is_set()
    node.fire(2)

    assert node.pool.waiting == 4
    assert node.dispatcher._bell.is_set()
