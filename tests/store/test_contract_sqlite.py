"""The store contract on SQLite."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from jobsched.errors import StoreError
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.store_contract import StoreContract


@pytest.fixture
def store(opened: Callable[[str], Store], sqlite_url: str) -> Store:
    return opened(sqlite_url)


@pytest.fixture
def open_again(opened: Callable[[str], Store], sqlite_url: str) -> Callable[[], Store]:
    return lambda: opened(sqlite_url)


@pytest.fixture
def open_empty(opened: Callable[[str], Store], empty_sqlite_url: str) -> Callable[[], Store]:
    return lambda: opened(empty_sqlite_url)


@pytest.fixture
def newer_store(opened: Callable[[str], Store], sqlite_url: str) -> Store:
    with closing(sqlite3.connect(path_of(sqlite_url))) as database, database:
        database.execute("update jobsched_schema_version set version_num = '9999'")
    return opened(sqlite_url)


class TestSqlite(StoreContract):
    pass


def test_asking_for_the_schema_makes_no_file(empty_sqlite_url: str) -> None:
    store = open_store(empty_sqlite_url, create=False)

    with closing(store), suppress(StoreError):
        store.schema()

    assert not path_of(empty_sqlite_url).exists()


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
