"""The scheduler: what it fires together, and what it does before and between."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.run import Created, NewRun, Source
from jobsched.model.state import DueJob, Firing, StoredJob
from jobsched.observe.listeners import Events
from jobsched.runner.definitions import Definitions
from jobsched.runner.options import Options
from jobsched.runner.scheduler import Scheduler, _priority, pieces
from jobsched.schedule.fires import account
from jobsched.testing.clock import FakeClock

AT: Any = None
SLOT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_firing_of(number: int, priority: int = 0) -> Firing:
    run = NewRun(namespace="default", handler="h", source=Source.SLOT, job=f"job-{number}", priority=priority)
    return Firing(
        namespace="default",
        job=f"job-{number}",
        schedule_revision=1,
        seen_cursor=AT,
        cursor=AT,
        next_at=None,
        runs=(run,) if number else (),
    )


def test_few_slots_are_fired_as_one_and_many_in_pieces() -> None:
    sizes = {
        count: [len(piece) for piece in pieces([a_firing_of(n) for n in range(count)], _priority)]
        for count in (2, 600, 1200)
    }

    assert sizes == {2: [2], 600: [250, 250, 100], 1200: [500, 500, 200]}


def test_the_most_urgent_are_in_the_first_piece() -> None:
    firings = [a_firing_of(n, priority=-1 if n == 400 else 5 if n == 1 else 0) for n in range(500)]

    first, second = pieces(firings, _priority)

    assert first[0].job == "job-400"
    assert second[-1].job == "job-1"
    assert sorted(firing.job for firing in first + second) == sorted(firing.job for firing in firings)


def a_job(name: str, **fields: Any) -> Job:
    return Job(namespace="default", name=name, handler=PythonHandler("h"), cron=("* * * * * *",), **fields)


class Desk:
    """A scheduler whose store is a list of jobs that are due each second."""

    def __init__(self, jobs: int, now: datetime, **of_the_last: Any) -> None:
        self.now, self.cursor = now, SLOT - SECOND
        names = [str(number) for number in range(jobs)]
        self.jobs = {name: a_job(name) for name in names[:-1]} | {names[-1]: a_job(names[-1], **of_the_last)}
        self.reads: list[int] = []
        self.fired: list[list[str]] = []
        store: Any = SimpleNamespace(
            jobs=self._jobs,
            due=lambda _, until, limit: self._due(until)[:limit],
            next_due=lambda _: self.cursor + SECOND,
            promote=lambda _, __: SimpleNamespace(count=0, missed=[], next_at=None),
            prepare=list,
        )
        heartbeat: Any = SimpleNamespace(fit=True, now=lambda: self.now)
        events, clock = Events(), FakeClock(now)
        definitions = Definitions(store, ["default"])
        self.scheduler = Scheduler(
            store, clock, Options(), definitions, heartbeat, self._fire, None, lambda: None, lambda _: None, events
        )

    def _jobs(self, _namespace: str, names: Sequence[str]) -> list[StoredJob]:
        self.reads.append(len(names))
        stored = {"revision": 1, "schedule_revision": 1, "generation": 1, "cursor": self.cursor}
        return [StoredJob(job=self.jobs[name], next_at=self.cursor + SECOND, **stored) for name in names]  # type: ignore[arg-type]

    def _due(self, until: datetime) -> list[DueJob]:
        next_at = self.cursor + SECOND
        return [DueJob("default", name, 1, 1, self.cursor, next_at, 1) for name in self.jobs if next_at <= until]

    def _fire(self, firings: Sequence[Firing]) -> list[Created]:
        self.fired.append([firing.job for firing in firings])
        self.cursor = SLOT
        return []


def test_slots_that_were_not_reckoned_ahead_are_fired_while_others_are_reckoned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, reckoned, by_the_first = Desk(700, SLOT), [], []
    fire = desk.scheduler._fire_now

    def noting(*args: Any, **kwargs: Any) -> Any:
        reckoned.append(args[0].name)
        return account(*args, **kwargs)

    def firing(firings: Sequence[Firing]) -> list[Created]:
        by_the_first.append(len(reckoned))
        return fire(firings)

    monkeypatch.setattr("jobsched.runner.reckoner.account", noting)
    monkeypatch.setattr(desk.scheduler, "_fire_now", firing)
    desk.scheduler.step()

    assert by_the_first[0] < 700
    assert sorted(reckoned) == sorted(desk.jobs)
    assert sorted(job for piece in desk.fired for job in piece) == sorted(desk.jobs)


def test_of_slots_that_were_not_reckoned_ahead_the_most_urgent_are_in_the_first_piece() -> None:
    desk = Desk(260, SLOT, priority=-1)

    desk.scheduler.step()

    [first] = [piece for piece in desk.fired if "259" in piece]
    assert first[0] == "259"
    assert len(first) == 250


def test_what_was_read_before_it_began_is_not_read_when_it_is_due() -> None:
    desk = Desk(300, SLOT - SECOND)
    desk.scheduler.read_what_is_due_soon()
    desk.now = SLOT

    desk.scheduler.step()

    assert desk.reads == [300]
    assert sum(map(len, desk.fired)) == 300


def test_a_slot_that_is_near_is_reckoned_though_others_have_just_been_fired() -> None:
    desk = Desk(1, SLOT + 0.6 * SECOND)
    pause = desk.scheduler.step()

    assert pause == pytest.approx(0.15)


def test_of_a_job_that_cannot_be_read_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk, jobs = Desk(2, SLOT), Desk._jobs

    def jobs_but_the_last(desk: Desk, namespace: str, names: Sequence[str]) -> list[StoredJob]:
        if "1" in names:
            raise ValueError("written by a newer one")
        return jobs(desk, namespace, names)

    monkeypatch.setattr(desk.scheduler._definitions._store, "jobs", lambda *asked: jobs_but_the_last(desk, *asked))
    for _ in range(3):
        desk.cursor = SLOT - SECOND
        desk.scheduler.step()

    assert desk.fired == [["0"]] * 3
    assert [record.message for record in caplog.records] == [
        "job 1 of namespace default cannot be read: written by a newer one"
    ]
