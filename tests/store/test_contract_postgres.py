"""The store contract on PostgreSQL."""

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.store_contract import StoreContract


@pytest.fixture
def store(opened: Callable[[str], Store], postgres_url: str) -> Store:
    return opened(postgres_url)


@pytest.fixture
def open_again(opened: Callable[[str], Store], postgres_url: str) -> Callable[[], Store]:
    return lambda: opened(postgres_url)


@pytest.fixture
def open_empty(opened: Callable[[str], Store], empty_postgres_url: str) -> Callable[[], Store]:
    return lambda: opened(empty_postgres_url)


@pytest.fixture
def newer_store(opened: Callable[[str], Store], postgres_url: str) -> Store:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("update jobsched_schema_version set version_num = '9999'")
    return opened(postgres_url)


class TestPostgres(StoreContract):
    pass


def test_asking_for_the_schema_makes_no_table(open_empty: Callable[[], Store], empty_postgres_url: str) -> None:
    open_empty().schema()

    with psycopg.connect(empty_postgres_url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    assert tables == []


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_three_spellings_of_the_scheme_are_one_adapter(
    scheme: str, opened: Callable[[str], Store], postgres_url: str
) -> None:
    store = opened(postgres_url.replace("postgresql", scheme, 1))

    assert store.schema().state == "current"


def test_the_name_of_a_store_hides_its_password() -> None:
    with closing(open_store("postgresql://someone:s3cret@localhost/jobs")) as store:
        assert "s3cret" not in store.name
        assert "jobs" in store.name
