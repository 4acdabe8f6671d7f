"""What is kept of syncs that are long past: enough to tell an old file from a new one, and no more."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import create_engine, insert

from jobsched.model.state import GENERATIONS_KEPT, SUMMARIES_KEPT
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import START
from jobsched_sql.tables import generations

APPLIED = GENERATIONS_KEPT + 50


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A namespace that was synced very often."""
    rows = [
        {
            "namespace": "default",
            "number": number,
            "content_hash": f"hash {number}",
            "git_commit": None,
            "applied_at": START,
            "applied_by": "anna@host",
            "summary": {"created": [f"job-{number}"]},
        }
        for number in range(1, APPLIED + 1)
    ]
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(insert(generations), rows)
    engine.dispose()
    with closing(open_store(database_url)) as opened:
        yield opened


def test_the_newest_generations_are_kept_and_of_the_newest_of_them_what_they_changed(store: Store) -> None:
    store.tidy()
    store.tidy()

    kept = store.generations("default", 2 * APPLIED)
    assert [one.number for one in kept] == list(range(APPLIED, APPLIED - GENERATIONS_KEPT, -1))
    told = [one.number for one in kept if one.summary]
    assert told == list(range(APPLIED, APPLIED - SUMMARIES_KEPT, -1))
    assert kept[-1].applied_by == "anna@host"
