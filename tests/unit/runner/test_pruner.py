"""The pruner: which jobs it looks at, and when."""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from jobsched.model.state import StoredJob
from jobsched.runner.pruner import Pruner
from jobsched.store.port import Retention, Store
from jobsched.testing.builders import START, a_job
from jobsched.testing.clock import FakeClock


class StoreOfHistory:
    """Remembers what it was asked to prune."""

    def __init__(self, *with_history: str) -> None:
        self.with_history = list(with_history)
        self.asked: list[str | None] = []
        self.deletes: list[int] = []
        self.tidied = 0

    def jobs_with_history(self, namespace: str) -> list[str]:
        return self.with_history

    def jobs(self, namespace: str, names: Sequence[str]) -> list[StoredJob]:
        return [
            StoredJob(job=a_job(name), revision=1, schedule_revision=1, cursor=START, next_at=None, generation=1)
            for name in names
        ]

    def prune(self, retentions: Sequence[Retention], limit: int) -> int:
        self.asked += [retention.job for retention in retentions]
        return self.deletes.pop(0) if self.deletes else 0

    def tidy(self) -> None:
        self.tidied += 1


def a_pruner(store: StoreOfHistory, clock: FakeClock) -> Pruner:
    return Pruner(cast("Store", store), clock, ["default"])


def test_at_the_start_it_looks_at_jobs_with_history_and_at_ad_hoc_runs() -> None:
    store = StoreOfHistory("a", "b")

    a_pruner(store, FakeClock())()

    assert store.asked == ["a", "b", None]


def test_after_that_only_at_jobs_that_had_runs() -> None:
    store, clock = StoreOfHistory("a", "b"), FakeClock()
    pruner = a_pruner(store, clock)
    pruner()
    store.asked.clear()

    pruner()
    quiet = list(store.asked)
    pruner.touch([("default", "b")])
    pruner()
    pruner()

    assert (quiet, store.asked) == ([], ["b"])


def test_all_are_looked_at_again_after_a_day() -> None:
    store, clock = StoreOfHistory("a"), FakeClock()
    pruner = a_pruner(store, clock)
    pruner()
    store.asked.clear()

    clock.advance(timedelta(days=1))
    pruner()

    assert store.asked == ["a", None]


def test_many_jobs_are_looked_at_a_few_at_a_time() -> None:
    store = StoreOfHistory(*[f"job-{number:03}" for number in range(120)])
    pruner = a_pruner(store, FakeClock())

    rounds = []
    for _ in range(4):
        store.asked.clear()
        pruner()
        rounds.append(len([job for job in store.asked if job]))

    assert rounds == [50, 50, 20, 0]


def test_a_full_batch_is_followed_by_another() -> None:
    store = StoreOfHistory("a")
    store.deletes = [1000, 1000, 7]

    assert a_pruner(store, FakeClock())() == 2007


def test_each_hour_the_database_is_tidied() -> None:
    store, clock = StoreOfHistory(), FakeClock()
    pruner = a_pruner(store, clock)

    counts = []
    for minutes in (0, 59, 1, 59):
        clock.advance(timedelta(minutes=minutes))
        pruner()
        counts.append(store.tidied)

    assert counts == [1, 1, 2, 2]
