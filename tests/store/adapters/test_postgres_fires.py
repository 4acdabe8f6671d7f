"""A fire of PostgreSQL is one message: what becomes of it where that goes wrong, or cannot be sent so."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg
import pytest

from jobsched.errors import StoreUnavailableError
from jobsched.model.run import RunState
from jobsched.model.state import StoredJob
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import MINUTE, START, a_firing, a_limited_job, a_run, a_slot, given_jobs, runs
from jobsched.testing.clock import FakeClock
from jobsched_postgres import fires, statements


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(postgres_url: str, clock: FakeClock) -> Iterator[Store]:
    with closing(open_store(postgres_url, clock=clock)) as opened:
        yield opened


@pytest.fixture
def stored(store: Store, clock: FakeClock) -> StoredJob:
    found = given_jobs(store, a_limited_job())["nightly"]
    clock.advance(MINUTE)
    return found


def fire(store: Store, stored: StoredJob) -> list[RunState]:
    return [made.state for made in store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])]


def test_a_server_that_goes_away_in_the_middle_has_moved_no_cursor(
    store: Store, stored: StoredJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(statements, "INSERT_PLAIN", "select pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(StoreUnavailableError):
            fire(store, stored)

    assert runs(store) == []
    assert fire(store, stored) == [RunState.PENDING]
    assert "reset" not in caplog.text


def test_a_key_that_a_frozen_node_holds_keeps_no_other_job_from_its_slot(
    store: Store, clock: FakeClock, postgres_url: str
) -> None:
    jobs = given_jobs(store, a_limited_job("held"), a_limited_job("free"))
    clock.advance(MINUTE)
    both = [a_firing(jobs[name], a_slot(jobs[name].job, START + MINUTE)) for name in ("held", "free")]

    with psycopg.connect(postgres_url) as frozen:
        assert frozen.execute("select 1 from jobsched_keys where key = 'job:held' for update").fetchall() == [(1,)]
        assert [made.job for made in store.fire(both)] == ["free"]

    assert [made.job for made in store.fire(both)] == ["held"]


def test_nor_another_run_whose_time_has_come(store: Store, clock: FakeClock, postgres_url: str) -> None:
    store.enqueue([a_run(key=key, available_at=START + MINUTE) for key in ("held", None)])
    store.enqueue([a_run(key="held")])  # there is such a key
    clock.advance(MINUTE)

    with psycopg.connect(postgres_url) as frozen:
        assert frozen.execute("select 1 from jobsched_keys where key = 'held' for update").fetchall() == [(1,)]
        promoted = store.promote(["default"], 10)

    assert promoted.count == 1
    assert promoted.next_at is not None
    assert promoted.next_at > clock.now()  # not without a pause
    assert store.promote(["default"], 10).count == 1


def test_a_statement_that_is_refused_leaves_nothing_of_the_fire(
    store: Store, stored: StoredJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(statements, "INSERT_PLAIN", "select no_such_column")
        with pytest.raises(Exception, match="no_such_column"):
            fire(store, stored)

    assert fire(store, stored) == [RunState.PENDING]


def test_an_older_library_sends_one_statement_after_the_other(
    store: Store, stored: StoredJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fires, "SENDS_TWO", False)

    assert fire(store, stored) == [RunState.PENDING]
    assert fire(store, stored) == []


def test_behind_a_pooler_that_refuses_options_the_time_limits_begin_the_transaction(
    store: Store, stored: StoredJob, postgres_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, begun = psycopg.connect, []

    def pooler(*args: object, **arguments: object) -> object:
        if "options" in arguments:
            raise psycopg.OperationalError("FATAL:  unsupported startup parameter: options")
        return connect(*args, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg, "connect", pooler)
    sent = fires._sent

    def noting(driver: "psycopg.Connection[tuple[object, ...]]", first: Sequence[fires.Sent], *args: object) -> object:
        begun.append((len(first), driver.execute("show statement_timeout").fetchone()))
        return sent(driver, first, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(fires, "_sent", noting)
    with closing(open_store(postgres_url, clock=clock)) as pooled:
        assert fire(pooled, stored) == [RunState.PENDING]

    assert begun == [(1, ("15s",))]  # nothing but the cursors: it had been begun
