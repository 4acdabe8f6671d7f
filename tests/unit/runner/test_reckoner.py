"""What due jobs fire, reckoned ahead or when they are due."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.run import Reason
from jobsched.model.state import DueJob, StoredJob
from jobsched.runner.definitions import Definitions
from jobsched.runner.reckoner import Reckoner
from jobsched.schedule.fires import account
from jobsched.store.port import Store

SLOT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Shelf:
    """As much of a store as definitions are read from."""

    def __init__(self, job: Job) -> None:
        self.job, self.revision = job, 1

    def jobs(self, _namespace: str, _names: Sequence[str]) -> list[StoredJob]:
        stored = StoredJob(
            job=self.job, revision=self.revision, schedule_revision=1, cursor=SLOT, next_at=SLOT, generation=1
        )
        return [stored]


@pytest.fixture
def reckoned(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The instants that were reckoned for."""
    instants: list[datetime] = []

    def noted(job: Job, cursor: datetime, now: datetime, **kwargs: Any) -> Any:
        instants.append(now)
        return account(job, cursor, now, **kwargs)

    monkeypatch.setattr("jobsched.runner.reckoner.account", noted)
    return instants


def a_shelf(**fields: Any) -> Shelf:
    return Shelf(Job(namespace="default", name="tick", handler=PythonHandler("h"), cron=("* * * * * *",), **fields))


def a_reckoner(shelf: Shelf) -> Reckoner:
    return Reckoner(Definitions(cast("Store", shelf), ["default"]), list)


def due(**fields: Any) -> DueJob:
    tick = DueJob(
        namespace="default",
        name="tick",
        revision=1,
        schedule_revision=1,
        cursor=SLOT - SECOND,
        next_at=SLOT,
        generation=1,
    )
    return tick._replace(**fields)


def test_what_was_reckoned_ahead_is_not_reckoned_again(reckoned: list[datetime]) -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due()])

    [firing] = reckoner.firings([due()], SLOT + SECOND / 10)

    assert reckoned == [SLOT]
    assert [run.scheduled_at for run in firing.runs] == [SLOT]
    assert (firing.seen_cursor, firing.cursor, firing.next_at) == (SLOT - SECOND, SLOT, SLOT + SECOND)


def test_thousands_are_reckoned_some_at_a_time(reckoned: list[datetime]) -> None:
    reckoner = a_reckoner(a_shelf())

    assert reckoner.reckon_ahead([due()] * 700)
    assert 0 < len(reckoned) < 700
    assert not reckoner.go_on()
    assert len(reckoned) == 700
    assert not reckoner.go_on()
    assert len(reckoned) == 700


def test_it_serves_once() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due()])
    first = reckoner.firings([due()], SLOT)

    assert reckoner.firings([due()], SLOT) == first
    assert reckoner.firings([due()], SLOT)[0] is not first[0]


def test_a_job_edited_since_is_reckoned_by_its_new_definition() -> None:
    shelf = a_shelf()
    reckoner = a_reckoner(shelf)
    reckoner.reckon_ahead([due()])
    shelf.job, shelf.revision = replace(shelf.job, queue="mail"), 2

    [firing] = reckoner.firings([due(revision=2)], SLOT)

    assert [run.queue for run in firing.runs] == ["mail"]


def test_slots_that_came_meanwhile_are_reckoned_together() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due()])

    [firing] = reckoner.firings([due()], SLOT + SECOND)

    assert [(run.scheduled_at, run.skipped) for run in firing.runs] == [
        (SLOT, Reason.COALESCED),
        (SLOT + SECOND, None),
    ]


def test_a_slot_that_is_missed_is_reckoned_as_missed() -> None:
    reckoner = a_reckoner(a_shelf(catch_up="skip", end_at=SLOT))
    reckoner.reckon_ahead([due()])

    [firing] = reckoner.firings([due()], SLOT + timedelta(seconds=11))

    assert [run.skipped for run in firing.runs] == [Reason.MISFIRE]


def test_how_late_a_job_with_a_starting_deadline_is_found_is_known_only_then() -> None:
    reckoner = a_reckoner(a_shelf(starting_deadline=SECOND / 10))
    reckoner.reckon_ahead([due()])

    [firing] = reckoner.firings([due()], SLOT + SECOND / 2)

    assert [run.skipped for run in firing.runs] == [Reason.MISFIRE]


def test_what_was_reckoned_ahead_is_ready_when_its_slot_has_come_and_once() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due()])

    early = reckoner.ready(SLOT - SECOND / 10, 10)
    [firing] = reckoner.ready(SLOT + SECOND / 10, 10)

    assert (early, reckoner.ready(SLOT + SECOND / 10, 10)) == ([], [])
    assert [run.scheduled_at for run in firing.runs] == [SLOT]
    assert firing.revision == 1


def test_what_was_reckoned_ahead_is_not_ready_when_more_has_come_since() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due()])

    assert reckoner.ready(SLOT + SECOND, 10) == []


def test_no_more_are_ready_than_are_asked_for() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due(), due(cursor=SLOT - 2 * SECOND)])

    assert [len(reckoner.ready(SLOT, 1)) for _ in range(3)] == [1, 1, 0]


def test_what_was_reckoned_ahead_of_one_instant_is_awaited_until_it_is_fired() -> None:
    reckoner = a_reckoner(a_shelf())
    reckoner.reckon_ahead([due(), due(cursor=SLOT, next_at=SLOT + SECOND)])

    awaited = [reckoner.awaited(at, 10) for at in (SLOT - SECOND, SLOT, SLOT + SECOND)]
    reckoner.drop(awaited[1])

    assert [[firing.cursor for firing in some] for some in awaited] == [[], [SLOT], [SLOT + SECOND]]
    assert reckoner.ready(SLOT, 10) == []
