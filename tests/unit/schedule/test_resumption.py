"""The end of pauses: which jobs go on, and what became of the slots that were held."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.model.job import Job
from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.model.run import Covers, NewRun, Reason
from jobsched.model.state import Firing, Resumption, StoredJob
from jobsched.schedule.fires import account
from jobsched.schedule.resumption import resumption
from jobsched.testing.builders import MINUTE, START, a_job, a_pause

HOUR = timedelta(hours=1)
OWN, WHOLE, MAIL = a_pause("job", "nightly"), a_pause("all"), a_pause("queue", "mail")
SHORT = a_pause("job", "nightly", until=START + 10 * MINUTE)


def stored(job: Job, cursor: datetime = START) -> StoredJob:
    next_at = account(job, cursor, cursor).next_at
    return StoredJob(job=job, revision=1, schedule_revision=1, cursor=cursor, next_at=next_at, generation=7)


def ended(standing: Sequence[Pause], *ends: Pause, job: Job | None = None) -> Resumption:
    """An hour after the start, for a job of each minute."""
    return resumption("default", standing, ends, [stored(job or a_job())], START + HOUR)


def test_a_resumed_job_gets_one_row_for_the_slots_up_to_now_and_goes_on_with_the_next() -> None:
    [firing] = ended([OWN], OWN).firings

    [row] = firing.runs
    assert (row.skipped, row.covers) == (Reason.PAUSED, Covers(START + MINUTE, START + HOUR, 60))
    assert (row.scheduled_at, row.generation) == (START + HOUR, 7)
    assert (firing.seen_cursor, firing.cursor, firing.next_at) == (START, START + HOUR, START + HOUR + MINUTE)


def test_a_pause_that_is_over_covers_the_slots_up_to_its_end_and_the_next_one_is_due() -> None:
    [firing] = ended([SHORT], SHORT).firings

    assert [run.covers for run in firing.runs] == [Covers(START + MINUTE, START + 10 * MINUTE, 10)]
    assert firing.next_at == START + 11 * MINUTE


@pytest.mark.parametrize(
    ("standing", "ends", "count"),
    [
        ([OWN, WHOLE], [OWN], 0),
        ([OWN, WHOLE], [WHOLE], 0),
        ([OWN, WHOLE], [OWN, WHOLE], 60),
        ([SHORT, WHOLE], [SHORT, WHOLE], 60),
        ([WHOLE, MAIL], [WHOLE], 60),
        ([OWN, MAIL], [MAIL], 0),
        ([WHOLE, a_pause("job", "other")], [WHOLE], 60),
        ([OWN, a_pause("job", "other")], [a_pause("job", "other")], 0),
    ],
)
def test_slots_are_covered_when_the_last_pause_that_holds_their_job_ends(
    standing: list[Pause], ends: list[Pause], count: int
) -> None:
    found = ended(standing, *ends)

    assert sum(run.covers.count or 0 for firing in found.firings for run in firing.runs if run.covers) == count
    assert (found.seen, found.ended) == (tuple(standing), tuple(ends))


@pytest.mark.parametrize(
    "job", [a_job(suspend=True), a_job(cron=()), a_job(cron=("0 0 * * *",))], ids=["suspended", "by hand", "no slot"]
)
def test_a_job_without_slots_in_the_pause_is_left_alone(job: Job) -> None:
    assert ended([OWN], OWN, job=job).firings == ()


def test_a_job_that_cannot_be_reckoned_does_not_hold_the_others() -> None:
    strange = StoredJob(
        job=a_job("strange", timezone="Atlantis/Deep"),
        revision=1,
        schedule_revision=1,
        cursor=START,
        next_at=START + MINUTE,
        generation=7,
    )

    found = resumption("default", [WHOLE], [WHOLE], [strange, stored(a_job())], START + HOUR)

    assert [firing.job for firing in found.firings] == ["nightly"]
    assert found.unreckoned == ("strange",)


# -- whatever people do, and whenever nodes look


@dataclass
class World:
    """One job, its pauses and its rows, as a store and one node would have them."""

    job: StoredJob
    now: datetime = START
    standing: dict[tuple[PauseScope, str], Pause] = field(default_factory=dict)
    rows: list[NewRun] = field(default_factory=list)
    held: list[tuple[datetime, datetime]] = field(default_factory=list)

    def pause(self, scope: str, minutes: float | None) -> None:
        until = None if minutes is None else self.now + minutes * MINUTE
        name = "nightly" if scope == "job" else ""
        before = self.standing.get((PauseScope(scope), name))
        kept = before is not None and not before.is_over(self.now)
        since = before.since if before is not None and kept else self.now
        pause = a_pause(scope, name, since=since, until=until)  # type: ignore[arg-type]
        self.standing[pause.target] = pause

    def end(self, scope: str | None = None) -> None:
        ends = [one for one in self.standing.values() if one.is_over(self.now) or one.scope == scope]
        found = resumption("default", list(self.standing.values()), ends, [self.job], self.now)
        for pause in ends:
            self.held.append((pause.since, pause.end(self.now)))
            del self.standing[pause.target]
        for firing in found.firings:
            self._write(firing)

    def look(self) -> None:
        """What a node does when it wakes."""
        self.end()
        if Pauses(self.standing.values()).of_job("nightly") is None:
            found = account(self.job.job, self.job.cursor, self.now, next_at=self.job.next_at)
            self._write(found)

    def _write(self, found: Any) -> None:
        assert not isinstance(found, Firing) or found.seen_cursor == self.job.cursor
        self.rows += found.runs
        self.job = stored(self.job.job, found.cursor)


EVENTS = st.one_of(
    st.tuples(st.just("pause"), st.sampled_from(["job", "all"]), st.sampled_from([None, 0.4, 3.0, 12.5])),
    st.tuples(st.just("end"), st.sampled_from(["job", "all"])),
    st.tuples(st.just("look")),
)


@settings(max_examples=examples(100, 1000), deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 400), EVENTS), max_size=20),
    catch_up=st.sampled_from(["skip", "latest", "all"]),
)
def test_every_slot_has_one_row_and_none_that_runs_was_held(steps: list[tuple[int, Any]], catch_up: Any) -> None:
    world = World(stored(a_job(catch_up=catch_up)))

    for seconds, (what, *arguments) in steps:
        world.now += timedelta(seconds=seconds)
        getattr(world, what)(*arguments)
    world.now += 20 * MINUTE
    for scope in ("job", "all"):
        world.end(scope)
    world.look()

    slots: list[datetime] = []
    for row in world.rows:
        assert row.scheduled_at is not None
        first = row.covers.first if row.covers else row.scheduled_at
        slots += [first + n * MINUTE for n in range((row.scheduled_at - first) // MINUTE + 1)]
    ran = [row.scheduled_at for row in world.rows if row.skipped is None and row.scheduled_at]
    assert slots == [START + n * MINUTE for n in range(1, (world.now - START) // MINUTE + 1)]
    assert [slot for slot in ran if any(since < slot <= until for since, until in world.held)] == []
