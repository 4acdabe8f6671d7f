"""From changed files to what the store has: the watcher and the reload together, time moved by hand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from jobsched.config.load import load
from jobsched.errors import StoreUnavailableError
from jobsched.model.desired import DesiredState
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.reload import Reload
from jobsched.runner.watcher import QUIET_SECONDS, UNFINISHED_SECONDS, Watcher
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.sync.apply import SyncReport, sync
from jobsched.testing.clock import FakeClock

NAMES = [f"job-{number}" for number in range(12)]
WHOLE = "version: 1\njobs:\n" + "".join(f"  {name}: {{shell: 'true', timeout: 300}}\n" for name in NAMES)


class Still:
    """What a reload asks of the heartbeat."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def wake(self) -> None: ...


class Desk:
    """A file, the store it is applied to, and what watches it; `meanwhile` happens while it is read."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store, self.clock = store, FakeClock()
        self.file = folder / "jobs.yaml"
        self.file.write_text(WHOLE)
        self.reload = Reload(store, cast("Heartbeat", Still()), [self.file], lambda desired: None, Events())
        self.watcher = Watcher(self.clock, [self.file], self.reload)
        self.reload.begin(load([self.file], {}))

    def settle(self, seconds: float = QUIET_SECONDS) -> None:
        self.watcher.step()
        self.clock.advance(seconds)
        self.watcher.step()

    def applied(self) -> tuple[int, dict[str, float]]:
        """The newest generation, and the timeout of each job in seconds."""
        [newest] = self.store.generations("default", 1)
        jobs = [each.job for each in self.store.jobs("default")]
        return newest.number, {job.name: job.timeout.after.total_seconds() for job in jobs if job.timeout is not None}


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str) -> Iterator[Desk]:
    store = open_store(sqlite_url)
    yield Desk(tmp_path, store)
    store.close()


WHOLE_STATE = dict.fromkeys(NAMES, 300.0)


def test_a_file_cut_off_at_any_byte_is_never_applied_within_a_line_nor_past_the_brake(desk: Desk) -> None:
    for cut in range(len(WHOLE)):
        desk.file.write_text(WHOLE[:cut])
        desk.settle()
        _, jobs = desk.applied()

        # What is left are whole jobs, and too many for the brake.
        assert jobs == WHOLE_STATE or (WHOLE[cut - 1] == "\n" and jobs == dict.fromkeys(NAMES[: len(jobs)], 300.0)), cut
        assert len(jobs) * 2 >= len(NAMES), cut
        desk.settle(UNFINISHED_SECONDS)
        assert len(desk.applied()[1]) * 2 >= len(NAMES), cut
        desk.file.write_text(WHOLE)
        desk.settle()
        assert desk.applied()[1] == WHOLE_STATE, cut


def test_a_file_without_a_last_newline_is_applied_once_it_has_stood_still_for_two_seconds(desk: Desk) -> None:
    desk.file.write_text(WHOLE.replace("300", "30").rstrip("\n"))

    desk.settle(UNFINISHED_SECONDS - 0.1)
    early = desk.applied()
    desk.settle(0.1)

    assert early == (1, WHOLE_STATE)
    assert desk.applied() == (2, dict.fromkeys(NAMES, 30.0))


def test_what_changed_while_it_was_read_counts_for_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [60, 70]

    def load_then_change(paths: Sequence[Path], environ: Mapping[str, str]) -> DesiredState:
        loaded = load(paths, environ)
        if changes:
            desk.file.write_text(WHOLE.replace("300", str(changes.pop(0))))
        return loaded

    monkeypatch.setattr("jobsched.runner.reload.load", load_then_change)
    desk.file.write_text(WHOLE.replace("300", "50"))

    numbers = []
    for _ in range(4):
        desk.settle()
        numbers.append(desk.applied()[0])

    assert numbers == [1, 1, 2, 2]
    assert desk.applied()[1] == dict.fromkeys(NAMES, 70.0)


def test_a_change_between_the_look_and_the_reading_counts_for_nothing(desk: Desk) -> None:
    real = desk.watcher._on_change

    def change_first(seen: object) -> None:
        desk.watcher._on_change = real
        desk.file.write_text(WHOLE.replace("300", "60"))
        real(seen)  # type: ignore[arg-type]

    desk.watcher._on_change = change_first
    desk.file.write_text(WHOLE.replace("300", "50"))

    desk.settle()
    early = desk.applied()
    desk.settle()

    assert early == (1, WHOLE_STATE)
    assert desk.applied() == (2, dict.fromkeys(NAMES, 60.0))


def test_what_the_store_could_not_take_is_applied_once_it_can(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setattr(type(desk.store), "apply", _away)
        desk.file.write_text(WHOLE.replace("300", "50"))
        with pytest.raises(StoreUnavailableError):
            desk.settle()
        refused = desk.reload.error

    desk.settle()

    assert refused is not None
    assert desk.reload.error is None
    assert desk.applied() == (2, dict.fromkeys(NAMES, 50.0))


def _away(*arguments: object) -> None:
    raise StoreUnavailableError("the database is away")


def test_a_generation_of_its_own_that_is_noticed_early_is_not_somebody_elses(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def sync_and_look(store: Store, *args: Any, **options: Any) -> SyncReport:
        report = sync(store, *args, **options)
        desk.reload.notice(store.generations("default", 1)[0])
        return report

    monkeypatch.setattr("jobsched.runner.reload.sync", sync_and_look)
    desk.file.write_text(WHOLE.replace("300", "301"))
    desk.settle()
    number, _ = desk.applied()

    assert (number, desk.reload.stale) == (2, False)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_generation_of_somebody_else_is_noticed(desk: Desk) -> None:
    [own] = desk.store.generations("default", 1)

    desk.reload.notice(replace(own, number=2, content_hash="another"))

    assert desk.reload.stale
