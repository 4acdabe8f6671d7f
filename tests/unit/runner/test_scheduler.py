"""The scheduler: what it fires together."""

from typing import Any

from jobsched.model.run import NewRun, Source
from jobsched.model.state import Firing
from jobsched.runner.scheduler import pieces

AT: Any = None


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
        count: [len(piece) for piece in pieces([a_firing_of(n) for n in range(count)])] for count in (2, 600, 1200)
    }

    assert sizes == {2: [2], 600: [250, 250, 100], 1200: [500, 500, 200]}


def test_the_most_urgent_are_in_the_first_piece() -> None:
    firings = [a_firing_of(n, priority=-1 if n == 400 else 5 if n == 1 else 0) for n in range(500)]

    first, second = pieces(firings)

    assert first[0].job == "job-400"
    assert second[-1].job == "job-1"
    assert sorted(firing.job for firing in first + second) == sorted(firing.job for firing in firings)
