"""An admission of PostgreSQL is one message of two statements: whom it waits for, and what becomes of it where it cannot be sent so."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from jobsched.errors import StoreUnavailableError
from jobsched.model.run import RunState
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import a_node, a_run, a_transition, claim, runs, states
from jobsched_postgres import statements
from jobsched_sql.dialect import AdmittedAlone, Key, KeyToAdmit

PENDING, BLOCKED, SUCCEEDED = RunState.PENDING, RunState.BLOCKED, RunState.SUCCEEDED
HOLD = "select 1 from jobsched_keys where key = 'a' for update nowait"


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    """Two keys with a free place and a blocked run each."""
    with closing(open_store(postgres_url)) as opened:
        opened.enqueue([a_run(key=key) for key in "abab"])
        opened.finish([a_transition(one) for one in claim(opened, a_node(opened))])
        yield opened


@pytest.fixture
def other(postgres_url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def test_a_key_that_somebody_holds_keeps_no_other_waiting(store: Any, other: "psycopg.Connection[Any]") -> None:
    wanted = [KeyToAdmit("default", key, None) for key in ("a", "b", "unknown")]

    with other.transaction():
        other.execute(HOLD)
        admitted = store._dialect.admit_alone(wanted)

    assert admitted == AdmittedAlone(1, [Key("default", "a")])
    assert states(store) == [SUCCEEDED, SUCCEEDED, BLOCKED, PENDING]
    assert store.admit(["default"], ["a", "b"]) == 1


@pytest.mark.parametrize("keys", [None, ["a", "b"]])
def test_for_a_key_that_a_program_holds_for_long_nobody_waits_but_who_needs_it(
    store: Store, other: "psycopg.Connection[Any]", keys: list[str] | None
) -> None:
    with other.transaction():
        other.execute(HOLD)
        with pytest.raises(StoreUnavailableError, match="lock timeout"):
            store.admit(["default"], keys)

    assert states(store) == [SUCCEEDED, SUCCEEDED, BLOCKED, PENDING]
    assert store.admit(["default"], keys) == 1


def test_what_frees_the_key_that_a_program_holds_is_done_all_the_same(
    store: Store, other: "psycopg.Connection[Any]"
) -> None:
    store.admit(["default"], ["a"])
    store.enqueue([a_run(key="a")])
    [goes] = [run.id for run in runs(store, states=(PENDING,))]

    with other.transaction():
        other.execute(HOLD)
        [answer] = store.cancel([goes])

    assert answer.refused is None
    assert store.admit(["default"], ["a"]) == 1


def test_keys_are_held_no_longer_than_it_takes(store: Store, other: "psycopg.Connection[Any]") -> None:
    assert store.admit(["default"], ["a", "b"]) == 2

    assert other.execute(HOLD).fetchall() == [(1,)]


def test_where_nothing_can_be_prepared_it_is_a_transaction_like_others(store: Any) -> None:
    store._dialect._connector.prepare_nothing()

    assert store.admit(["default"], ["a", "b"]) == 2
    assert states(store) == [SUCCEEDED, SUCCEEDED, PENDING, PENDING]


def test_after_a_deadlock_it_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise psycopg.errors.DeadlockDetected

    monkeypatch.setattr("jobsched_postgres.dialect.execute_two_named", lost)

    assert store.admit(["default"], ["a", "b"]) == 2


@pytest.mark.parametrize("statement", ["HOLD_KEYS", "ADMIT_HELD"])
def test_a_server_that_goes_away_in_the_middle_has_let_nobody_in(
    store: Store, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(statements, statement, "select pg_terminate_backend(pg_backend_pid()), 0")
        with pytest.raises(StoreUnavailableError):
            store.admit(["default"], ["a", "b"])

    assert states(store) == [SUCCEEDED, SUCCEEDED, BLOCKED, BLOCKED]
    assert store.admit(["default"], ["a", "b"]) == 2


@pytest.mark.parametrize("statement", ["HOLD_KEYS", "ADMIT_HELD"])
def test_after_a_statement_that_failed_the_connection_answers_the_next(
    store: Store, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(statements, statement, "select 1 / 0, 0")
        with pytest.raises(Exception, match="zero"):
            store.admit(["default"], ["a", "b"])

    assert store.admit(["default"], ["a", "b"]) == 2
