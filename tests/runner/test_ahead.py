"""What is written before its slot: when it is begun, what becomes of it, and when it is given up."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobsched import Context
from jobsched.errors import StoreUnavailableError
from jobsched.model.run import Claim, Created, NewRun, RunState, Source
from jobsched.model.state import Firing
from jobsched.runner.ahead import Ahead
from jobsched.runner.dispatcher import Dispatcher, HeldFire
from jobsched.store.port import ClaimWish
from jobsched.testing.clock import FakeClock

if TYPE_CHECKING:
    from tests.runner.conftest import Bench as AnyBench

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = START + timedelta(seconds=10)
#: Before the slot: when a few jobs are begun to be written, and when there is no time left for that.
SOON, AT_ONCE = timedelta(milliseconds=10), timedelta(milliseconds=1)

NONE: Mapping[str, int] = {}


class Held:
    """A fire that is held."""

    def __init__(self, firings: Sequence[Firing]) -> None:
        self.firings, self.claims = firings, cast("list[Claim]", [])
        self.dropped = False

    def commit(self) -> list[Created] | None:
        return [Created(1, one.namespace, one.job, AT, RunState.RUNNING, None) for one in self.firings]

    def drop(self) -> None:
        self.dropped = True


class Places:
    """In the place of the dispatcher: what it is asked to hold it holds, and commits, unless a test says otherwise."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.held: list[Held] = []
        self.is_held = threading.Event()
        self.unwritten: set[str] = set()
        self.committed: list[bool | Exception] = []

    def hold(self, firings: Sequence[Firing], at: datetime, *, first: bool) -> HeldFire | None:
        assert (at, first) == (AT, not self.asked or len(firings) < 250)
        self.asked.append([one.job for one in firings])
        held = Held([one for one in firings if one.job not in self.unwritten])
        self.held.append(held)
        self.is_held.set()
        return HeldFire(held, ClaimWish(node=1, generations={}, limit=1)) if held.firings else None

    def commit(self, held: HeldFire) -> list[Created] | None:
        answer = self.committed.pop(0) if self.committed else True
        if isinstance(answer, Exception):
            raise answer
        return held.fire.commit() if answer else None


class Bench:
    """A clock, an `Ahead`, and what the scheduler does with it."""

    def __init__(self) -> None:
        self.clock, self.places = FakeClock(START), Places()
        self.ahead = Ahead(self.clock, self.clock.now, cast("Dispatcher", self.places))

    def look(self, *jobs: str, before: timedelta = SOON, priorities: Mapping[str, int] = NONE) -> float:
        self.clock.jump(AT - before)
        return self.ahead.look(AT, lambda most: [a_firing(job, priorities.get(job, 0)) for job in jobs][:most])

    def round(self, *jobs: str, priorities: Mapping[str, int] = NONE) -> list[str]:
        """Which of these are fired ahead."""
        self.places.is_held.clear()
        self.look(*jobs, priorities=priorities)
        if self.ahead._round is not None:
            self.places.is_held.wait(30)
        return self.fired()

    def fired(self) -> list[str]:
        self.clock.advance(AT - self.clock.now())
        return [one.job for one in self.ahead.finish(AT)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.ahead.stop()
    assert made.ahead.join(30)


def a_firing(job: str, priority: int) -> Firing:
    run = NewRun(namespace="default", job=job, handler="none", source=Source.SLOT, scheduled_at=AT, priority=priority)
    return Firing(
        namespace="default",
        job=job,
        schedule_revision=1,
        seen_cursor=START,
        cursor=AT,
        next_at=None,
        runs=(run,),
    )


def test_what_is_awaited_is_written_shortly_before_its_slot_and_fired_at_it(bench: Bench) -> None:
    early = bench.look("one", "two", before=timedelta(seconds=1))
    asked_early = list(bench.places.asked)

    fired = bench.round("one", "two")

    assert 0.9 < early < 1
    assert (asked_early, bench.places.asked) == ([], [["one", "two"]])
    assert fired == ["one", "two"]


def test_nothing_is_fired_before_its_slot(bench: Bench) -> None:
    bench.look("one")
    bench.places.is_held.wait(30)

    assert bench.ahead.finish(AT - AT_ONCE) == ()
    assert bench.fired() == ["one"]


def test_one_instant_is_written_once(bench: Bench) -> None:
    bench.look("one")
    bench.look("one")
    bench.places.is_held.wait(30)

    assert bench.fired() == ["one"]
    assert bench.places.asked == [["one"]]


def test_very_many_are_written_in_pieces_and_the_rest_is_left_for_the_slot(bench: Bench) -> None:
    jobs = [f"job-{number:04}" for number in range(1500)]

    bench.look(*jobs, before=timedelta(milliseconds=290))
    while len(bench.places.asked) < 4:
        bench.places.is_held.wait(0.01)
    fired = bench.fired()

    assert sorted(map(len, bench.places.asked)) == [250] * 4
    assert sorted(fired) == jobs[:1000]


@pytest.mark.parametrize("before", [AT_ONCE, timedelta(0), timedelta(seconds=-1)])
def test_nothing_is_begun_when_there_is_no_time_left(bench: Bench, before: timedelta) -> None:
    assert bench.look("one", before=before) == max(0.0, before.total_seconds())
    assert bench.places.asked == []


def test_what_is_held_when_the_node_stops_is_let_go(bench: Bench) -> None:
    bench.look("one")
    bench.places.is_held.wait(30)

    bench.ahead.stop()

    assert bench.ahead.join(30)
    assert [held.dropped for held in bench.places.held] == [True]
    assert bench.look("two") == SOON.total_seconds()
    assert bench.places.asked == [["one"]]


def test_what_is_held_when_the_clock_is_set_back_is_let_go(bench: Bench) -> None:
    bench.look("one")
    bench.places.is_held.wait(30)

    bench.clock.jump(START - timedelta(hours=1))
    bench.clock.advance(timedelta(seconds=2))

    assert bench.ahead.join(30)
    assert [held.dropped for held in bench.places.held] == [True]
    assert list(bench.ahead.finish(bench.clock.now())) == []


def test_what_is_held_while_the_machine_sleeps_is_let_go(bench: Bench) -> None:
    bench.look("one")
    bench.places.is_held.wait(30)

    bench.clock.advance(timedelta(minutes=5))

    assert list(bench.ahead.finish(bench.clock.now())) == []
    assert [held.dropped for held in bench.places.held] == [True]


def test_what_could_not_be_written_is_left_out_for_a_while(bench: Bench) -> None:
    bench.places.unwritten = {"busy"}

    first, second = bench.round("busy", "free"), bench.round("busy", "free")
    bench.clock.advance(timedelta(minutes=1))
    bench.round("busy", "free")

    assert (first, second) == (["free"], ["free"])
    assert bench.places.asked == [["busy", "free"], ["free"], ["busy", "free"]]


def test_nothing_goes_before_what_is_left_out_and_more_urgent(bench: Bench) -> None:
    bench.places.unwritten = {"busy"}
    jobs = {"busy": 1, "as-urgent": 1, "less-urgent": 2}

    first, second = bench.round(*jobs, priorities=jobs), bench.round(*jobs, priorities=jobs)

    assert (first, second) == (["as-urgent", "less-urgent"], ["as-urgent"])


@pytest.mark.parametrize("answer", [False, StoreUnavailableError("away")])
def test_after_three_rounds_in_vain_it_rests(bench: Bench, answer: bool | Exception) -> None:
    bench.places.committed = [answer] * 3

    fired = [bench.round("one") for _ in range(4)]
    bench.clock.advance(timedelta(minutes=1))
    again = bench.round("one")

    assert fired == [[], [], [], []]
    assert len(bench.places.asked) == 4
    assert again == ["one"]


def test_what_comes_up_at_the_first_piece_leaves_none_held(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    bench.places.committed = [ValueError("unheard of")]
    bench.look(*[f"job-{number:03}" for number in range(500)], before=timedelta(milliseconds=200))
    while len(bench.places.held) < 2:
        bench.places.is_held.wait(0.01)

    fired = bench.fired()

    assert fired == []
    assert [held.dropped for held in bench.places.held] == [True, True]


def test_of_two_nodes_on_postgresql_each_slot_is_performed_once(postgres_url: str) -> None:
    from tests.runner.conftest import Bench as NodeBench

    ran, done, ahead = Counter[tuple[str | None, datetime | None]](), threading.Event(), list[int]()

    def committed(real: Any, *arguments: Any) -> Any:
        held = real(*arguments)
        return held and Spied(held, ahead)

    bench: AnyBench = NodeBench(postgres_url)
    try:
        bench.store.on("fire_ahead", committed)

        @bench.handler
        def tick(ctx: Context) -> None:
            ran[ctx.job, ctx.scheduled_at] += 1
            if len(ahead) >= 3 and len(ran) >= 20:
                done.set()

        for number in range(6):
            bench.declare(f"tick-{number}", "tick", cron=("* * * * * *",))
        bench.node()
        bench.node()
        came = done.wait(60)
        for node in bench.nodes:
            node.shut_down()

        slots = [(run.job, run.scheduled_at) for run in bench.client.runs(limit=10_000)]
    finally:
        bench.close()

    assert came
    assert set(ran.values()) == {1}
    assert sorted(slots) == sorted(set(slots))


class Spied:
    """Notes how many were fired ahead."""

    def __init__(self, held: Any, ahead: list[int]) -> None:
        self._held, self._ahead = held, ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def commit(self) -> list[Created] | None:
        created: list[Created] | None = self._held.commit()
        if created:
            self._ahead.append(len(created))
        return created
