"""What PostgreSQL holds for a moment before a slot: others wait for it and go on, and nothing is left of a node that went away."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest

from jobsched.errors import OutcomeUnknownError, StoreUnavailableError
from jobsched.model.run import Created, RunState
from jobsched.model.state import Resumption, StoredJob
from jobsched.store.open import open_store
from jobsched.store.port import FireAhead, Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_limited_job,
    a_node,
    a_pause,
    a_slot,
    a_transition,
    a_trigger,
    a_wish,
    an_edit,
    claim,
    given_jobs,
    newest_number,
    runs,
)
from jobsched.testing.clock import FakeClock

AT = START + MINUTE
EARLY = timedelta(seconds=20)

KILLED = """
import os, sys
from datetime import timedelta
from jobsched.store.open import open_store
from jobsched.testing.builders import MINUTE, NAMESPACE, START, a_firing, a_node, a_slot, a_wish
from jobsched.testing.clock import FakeClock
store = open_store(sys.argv[1], clock=FakeClock(START + MINUTE - timedelta(seconds=20)))
stored = store.jobs(NAMESPACE)[0]
firing = a_firing(stored, a_slot(stored.job, START + MINUTE))
assert store.fire_ahead([firing], a_wish(a_node(store), generations={NAMESPACE: 1}), START + MINUTE)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(AT - EARLY)


@pytest.fixture
def store(postgres_url: str, clock: FakeClock) -> Iterator[Store]:
    with closing(open_store(postgres_url, clock=clock)) as opened:
        yield opened


@pytest.fixture
def other(postgres_url: str, clock: FakeClock) -> Iterator[Store]:
    with closing(open_store(postgres_url, clock=clock)) as opened:
        yield opened


@pytest.fixture
def stored(store: Store) -> StoredJob:
    return given_jobs(store, a_limited_job())["nightly"]


def hold(store: Store, stored: StoredJob) -> FireAhead:
    wish = a_wish(a_node(store), generations={NAMESPACE: 1})
    ahead = store.fire_ahead([a_firing(stored, a_slot(stored.job, AT))], wish, AT)
    assert ahead is not None
    return ahead


def edit(store: Store, stored: StoredJob) -> bool:
    change = a_change(an_edit(stored, a_limited_job(priority=7)), seen=newest_number(store))
    return store.apply(change).number > 1


def remove(store: Store, stored: StoredJob) -> bool:
    return store.apply(a_change(seen=newest_number(store), removals=[stored.job.name])).number > 1


def trigger(store: Store, stored: StoredJob) -> bool:
    return len(store.enqueue([a_trigger(stored.job)])) == 1


def requeue(store: Store, stored: StoredJob) -> bool:
    [failed] = [run.id for run in runs(store) if run.state is RunState.FAILED]
    return store.requeue([failed])[0].refused is None


def resume(store: Store, stored: StoredJob) -> bool:
    pause = a_pause("job", stored.job.name)
    store.pause([pause])
    ended = Resumption(
        namespace=NAMESPACE, seen=(pause,), ended=(pause,), firings=(a_firing(stored, cursor=AT - EARLY, next_at=AT),)
    )
    return store.resume(ended)


def a_failure_of(store: Store, stored: StoredJob) -> None:
    store.enqueue([a_trigger(stored.job)])
    [claimed] = claim(store, a_node(store))
    store.finish([a_transition(claimed, RunState.FAILED)])


@pytest.mark.parametrize("act", [edit, remove, trigger, requeue, resume])
def test_who_needs_what_is_held_waits_for_it_and_then_does_it(
    act: Callable[[Store, StoredJob], bool], store: Store, other: Store, stored: StoredJob, postgres_url: str
) -> None:
    a_failure_of(store, stored)
    ahead = hold(store, stored)

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act, other, stored)
        await_waiting(postgres_url, acting)
        waited = not acting.done()
        ahead.drop()
        done = acting.result(timeout=30)

    assert (waited, done) == (True, True)


@pytest.mark.parametrize("act", [edit, remove, trigger, requeue])
def test_it_comes_after_the_slot_that_was_fired(
    act: Callable[[Store, StoredJob], bool],
    store: Store,
    other: Store,
    stored: StoredJob,
    clock: FakeClock,
    postgres_url: str,
) -> None:
    a_failure_of(store, stored)
    ahead = hold(store, stored)

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act, other, stored)
        await_waiting(postgres_url, acting)
        clock.advance(EARLY)
        fired = ahead.commit()
        done = acting.result(timeout=30)

    assert (done, [one.state for one in fired or ()]) == (True, [RunState.RUNNING])
    # It has the key: what came after it waits.
    assert RunState.PENDING not in {run.state for run in runs(store)}


def test_what_needs_nothing_of_it_does_not_wait(store: Store, other: Store, stored: StoredJob) -> None:
    ahead = hold(store, stored)

    other.pause([a_pause("job", stored.job.name)])
    other.heartbeat(a_node(other), {})
    due = other.due([NAMESPACE], AT, 10), other.promote([NAMESPACE], 10).count, other.claim(a_wish(a_node(other)))

    assert due == ([], 0, [])
    ahead.drop()


def test_the_server_ends_what_a_frozen_node_holds_and_another_one_fires(
    store: Store, other: Store, stored: StoredJob, clock: FakeClock
) -> None:
    clock.advance(EARLY)
    ahead = hold(store, stored)

    fired: list[Created] = []
    while not fired:
        fired = other.fire([a_firing(stored, a_slot(stored.job, AT))])
    with pytest.raises(StoreUnavailableError):
        ahead.commit()

    assert [run.scheduled_at for run in runs(store)] == [AT]


def test_of_a_node_that_is_killed_nothing_is_left_and_another_one_fires(
    store: Store, stored: StoredJob, postgres_url: str
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, postgres_url], check=False)

    fired: list[Created] = []
    while not fired:  # the server may not have heard of it yet
        fired = store.fire([a_firing(stored, a_slot(stored.job, AT))])

    assert killed.returncode == -9
    assert [run.scheduled_at for run in runs(store)] == [AT]


@pytest.mark.parametrize("ends", [FireAhead.drop, FireAhead.commit])
def test_no_transaction_is_left_open(
    ends: Callable[[FireAhead], object], store: Store, stored: StoredJob, clock: FakeClock, postgres_url: str
) -> None:
    ahead = hold(store, stored)
    held = open_transactions(postgres_url)

    clock.advance(EARLY)
    getattr(ahead, ends.__name__)()

    assert (held, open_transactions(postgres_url)) == (1, 0)


def test_a_connection_that_was_lost_takes_the_fire_with_it(
    store: Store, stored: StoredJob, clock: FakeClock, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for ends in ("drop", "commit"):
        ahead = hold(store, stored)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'"
            )
        clock.advance(AT - clock.now())
        try:
            getattr(ahead, ends)()
        except StoreUnavailableError:
            assert ends == "commit"

    assert runs(store) == []
    assert "reset" not in caplog.text


def test_a_commit_whose_answer_is_lost_says_so_and_leaves_no_connection_behind(
    store: Store, stored: StoredJob, clock: FakeClock, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: FireAhead) -> bool:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'"
            )
        return True

    ahead = hold(store, stored)
    monkeypatch.setattr("jobsched_postgres.ahead.FireAhead._stands", lost)
    clock.advance(EARLY)

    with pytest.raises(OutcomeUnknownError):
        ahead.commit()
    ahead.drop()

    assert runs(store) == []
    assert [one.state for one in store.fire([a_firing(stored, a_slot(stored.job, AT))])] == [RunState.PENDING]


def await_waiting(url: str, acting: "Future[bool]") -> None:
    """Until a session waits for a lock, or has not had to."""
    with psycopg.connect(url, autocommit=True) as connection:
        while not _count(connection, "wait_event_type = 'Lock'") and not acting.done():
            pass


def open_transactions(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return _count(connection, "state = 'idle in transaction'")


def _count(connection: psycopg.Connection[tuple[int]], what: str) -> int:
    statement = f"select count(*) from pg_stat_activity where datname = current_database() and {what}"
    [[number]] = connection.execute(statement).fetchall()
    return number
