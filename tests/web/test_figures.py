"""Figures that pages show: asked for once for all who look, kept for a while, and never waited for for long."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from jobsched.client import Client
from jobsched.model.overview import Flow, Outline
from jobsched.testing.clock import FakeClock
from jobsched.web.flows import Flows
from jobsched.web.job_index import JobIndex
from jobsched.web.kept import Kept

LONG = 60.0


def test_a_figure_is_good_for_a_while_and_then_asked_for_again(clock: FakeClock) -> None:
    answers = iter(range(9))
    kept = Kept(lambda: next(answers), clock, 5, LONG)

    first, again = kept.get(), kept.get()
    clock.advance(timedelta(seconds=5))

    assert (first, again, kept.get()) == (0, 0, 1)


def test_a_figure_that_took_long_is_good_for_ten_times_as_long(clock: FakeClock) -> None:
    answers = iter(range(9))

    def ask() -> int:
        clock.advance(timedelta(seconds=3))
        return next(answers)

    kept = Kept(ask, clock, 5, LONG)
    first = kept.get()
    clock.advance(timedelta(seconds=29))

    assert (first, kept.get()) == (0, 0)
    clock.advance(timedelta(seconds=1))
    assert kept.get() == 1


def test_while_a_figure_is_asked_for_the_last_one_is_shown(clock: FakeClock) -> None:
    told, asked = threading.Event(), threading.Event()
    answers = iter(("first", "second"))

    def ask() -> str:
        asked.set()
        assert told.wait(LONG)
        return next(answers)

    kept = Kept(ask, clock, 5, LONG)
    assert kept.get(0) is None
    told.set()
    assert kept.get() == "first"
    told.clear()
    clock.advance(timedelta(seconds=5))

    assert kept.get(0) == "first"
    told.set()
    assert kept.get() == "second"


def test_a_figure_for_which_there_was_no_thread_is_asked_for_by_the_next_who_wants_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    kept = Kept(lambda: "there", clock, 5, LONG)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        first = kept.get()

    assert (first, kept.get()) == (None, "there")


def test_whoever_waits_for_a_figure_is_told_of_its_error_and_the_next_asks_again(clock: FakeClock) -> None:
    answers: list[Any] = [ValueError("no"), 7]

    def ask() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Kept(ask, clock, 5, LONG)

    with pytest.raises(ValueError, match="no"):
        kept.get()
    assert kept.get() == 7


def test_stretches_of_time_that_are_over_are_counted_once(
    sqlite_client: Client, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    flow = sqlite_client.store.flow

    def counted_flow(*given: Any) -> Flow:
        asked.append(given[1])
        return flow(*given)

    monkeypatch.setattr(sqlite_client.store, "flow", counted_flow)
    run = sqlite_client.enqueue("work")
    sqlite_client.cancel(run.id)
    flows = Flows(sqlite_client)

    first = flows.hour()
    counted = len(asked)
    clock.advance(timedelta(minutes=1))
    second = flows.hour()

    assert [one.failed for one in first] == [0] * 59 + [1]
    # The hour, six parts of it, the ten minutes of the part in which something ended.
    assert counted == 17
    # Those that went on then and go on now, and the one before, whose late results may have come in; first all at once.
    assert len(asked) - counted == 4
    assert [one.start for one in second[:-1]] == [one.start for one in first[1:]]
    assert [one.failed for one in second] == [0] * 58 + [1, 0]


def test_of_jobs_only_what_a_new_generation_has_written_is_read_again(
    sqlite_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, outlines = JobIndex(sqlite_client), sqlite_client.store.outlines
    read: list[str] = []

    def read_outlines(*given: Any, **more: Any) -> list[Outline]:
        found = outlines(*given, **more)
        read.extend(outline.name for outline in found)
        return found

    monkeypatch.setattr(sqlite_client.store, "outlines", read_outlines)

    names = [entry.name for entry in index.entries()]
    sqlite_client.create_job("made", {"shell": "ls", "tags": ["new"]}, by="ann")
    made = [entry for entry in index.entries() if entry.tags == ("new",)]
    sqlite_client.delete_job("made", by="ann")

    assert names == ["hourly", "send"]
    assert [entry.name for entry in made] == ["made"]
    assert [entry.name for entry in index.entries()] == ["hourly", "send"]
    assert sorted(read) == ["hourly", "made", "send"]
