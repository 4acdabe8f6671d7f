"""The contract's chapter on schemas: found, made, refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsched.errors import SchemaError
from jobsched.store.port import Store
from jobsched.testing.builders import a_run, runs
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel


class SchemaContract:
    def test_an_empty_database_has_no_schema_and_gets_none_by_being_asked(
        self, open_empty: Callable[[], Store]
    ) -> None:
        store = open_empty()

        first, second = store.schema(), open_empty().schema()

        assert (first.state, first.found) == ("missing", None)
        assert second == first

    def test_migrate_makes_the_schema_current(self, open_empty: Callable[[], Store]) -> None:
        store = open_empty()

        store.migrate()

        schema = store.schema()
        assert schema.state == "current"
        assert schema.found == schema.needed
        assert open_empty().schema() == schema

    def test_migrate_twice_harms_nothing(self, open_empty: Callable[[], Store]) -> None:
        store = open_empty()
        store.migrate()
        store.enqueue([a_run()])

        store.migrate()

        assert store.schema().state == "current"
        assert len(runs(store)) == 1

    def test_two_migrate_at_once_and_both_succeed(self, open_empty: Callable[[], Store]) -> None:
        stores = [open_empty() for _ in range(4)]

        in_parallel(stores, lambda store: store.migrate())

        assert {store.schema().state for store in stores} == {"current"}

    def test_asking_for_the_script_of_the_schema_makes_none(self, open_empty: Callable[[], Store]) -> None:
        store = open_empty()

        script = store.schema_script()

        assert "jobsched_runs" in script
        assert store.schema().state == "missing"

    def test_a_newer_schema_is_seen_and_never_migrated(self, newer_store: Store) -> None:
        seen = newer_store.schema()

        with pytest.raises(SchemaError):
            newer_store.migrate()

        assert seen.state == "newer"
        assert newer_store.schema() == seen

    def test_now_is_the_given_clock(self, store: Store, clock: FakeClock) -> None:
        before = store.now()

        clock.advance(timedelta(microseconds=1_000_001))

        assert (before, store.now()) == (clock.now() - timedelta(microseconds=1_000_001), clock.now())
        assert store.now().utcoffset() == timedelta(0)

    def test_close_twice_harms_nothing(self, open_again: Callable[[], Store]) -> None:
        store = open_again()
        store.namespaces()

        store.close()
        store.close()

        assert open_again().namespaces() == []

    def test_its_name_is_for_people(self, store: Store) -> None:
        assert "://" in store.name
