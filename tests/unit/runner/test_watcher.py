"""The watcher: when it says that files have changed. Time is moved by hand, one step at a time."""

import os
from pathlib import Path

import pytest

from jobsched.runner.signature import Signature
from jobsched.runner.watcher import QUIET_SECONDS, UNFINISHED_SECONDS, Watcher
from jobsched.testing.clock import FakeClock

ONE = "version: 1\njobs: {}\n"


class Desk:
    """A file, a watcher of it, and how often it called."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.file = folder / "jobs.yaml"
        self.file.write_text(ONE)
        self.calls = 0
        self.clock = FakeClock()
        self.watcher = Watcher(self.clock, [path or self.file], self.called)

    def called(self, seen: Signature) -> None:
        self.calls += 1

    def settle(self, seconds: float = QUIET_SECONDS) -> None:
        self.watcher.step()
        self.clock.advance(seconds)
        self.watcher.step()


def test_an_unchanged_file_makes_no_call(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    desk.settle()

    assert desk.calls == 0


def test_a_change_is_told_once_it_stands_still(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.file.write_text(ONE + "# more\n")

    desk.watcher.step()
    before = desk.calls
    desk.clock.advance(QUIET_SECONDS)
    desk.watcher.step()
    desk.settle()

    assert (before, desk.calls) == (0, 1)


def test_a_file_that_goes_on_changing_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(5):
        desk.file.write_text(ONE + "# more\n" * number)
        desk.watcher.step()
        desk.clock.advance(QUIET_SECONDS)

    assert desk.calls == 0
    desk.watcher.step()
    assert desk.calls == 1


def test_a_file_that_does_not_end_a_line_is_waited_for_longer(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.file.write_text(ONE + "# cut o")

    desk.settle()
    early = desk.calls
    desk.clock.advance(UNFINISHED_SECONDS)
    desk.watcher.step()

    assert (early, desk.calls) == (0, 1)


@pytest.mark.parametrize("text", ["", None], ids=["empty", "missing"])
def test_an_empty_or_missing_file_is_waited_for_longer(tmp_path: Path, text: str | None) -> None:
    desk = Desk(tmp_path)
    desk.file.unlink()
    if text is not None:
        desk.file.write_text(text)

    desk.settle()
    early = desk.calls
    desk.clock.advance(UNFINISHED_SECONDS)
    desk.watcher.step()

    assert (early, desk.calls) == (0, 1)


def test_files_are_waited_for_longer_while_git_is_at_work(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / ".git").mkdir()
    lock = tmp_path / ".git" / "index.lock"
    lock.touch()
    desk.file.write_text(ONE + "# more\n")

    desk.settle()
    early = desk.calls
    lock.unlink()
    desk.watcher.step()

    assert (early, desk.calls) == (0, 1)


def test_a_lock_that_git_left_behind_does_not_hold_up_for_ever(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index.lock").touch()
    desk.file.write_text(ONE + "# more\n")

    desk.settle(UNFINISHED_SECONDS)

    assert desk.calls == 1


def test_files_that_never_stand_still_are_not_read_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path)
    for number in range(1, 100):
        desk.file.write_text(ONE + "# more\n" * number)
        desk.watcher.step()
        desk.clock.advance(QUIET_SECONDS / 2)

    assert desk.calls == 0
    assert [record.getMessage() for record in caplog.records] == [
        "the files keep changing; they are read once they stand still"
    ]


def test_in_a_folder_only_its_yaml_files_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tmp_path)
    for name in (".jobs.yaml.swp", ".hidden.yaml", "jobs.yaml~", "notes.txt"):
        (tmp_path / name).write_text("x\n")
    desk.settle()
    early = desk.calls

    (tmp_path / "more.yml").write_text(ONE)
    desk.settle()

    assert (early, desk.calls) == (0, 1)


def test_a_replaced_file_of_the_same_size_and_mtime_is_a_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    stat = desk.file.stat()
    other = tmp_path / "other"
    other.write_text(ONE.replace("1", "2"))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(desk.file)

    desk.settle()

    assert desk.calls == 1


def test_the_target_of_a_link_is_watched_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    desk.file.rename(elsewhere / "jobs.yaml")
    desk.file.symlink_to(elsewhere / "jobs.yaml")
    desk.settle()
    calls = desk.calls

    (elsewhere / "jobs.yaml").write_text(ONE + "# more\n")
    desk.settle()

    assert desk.calls == calls + 1


def test_a_deleted_and_recreated_file_is_a_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.file.unlink()
    desk.watcher.step()
    desk.file.write_text(ONE + "# again\n")

    desk.settle()

    assert desk.calls == 1


def test_a_call_that_fails_is_made_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.file.write_text(ONE + "# more\n")
    failures = [RuntimeError("the database is away")]

    def fail_once(seen: Signature) -> None:
        desk.called(seen)
        if failures:
            raise failures.pop()

    desk.watcher._on_change = fail_once
    try:
        desk.settle()
    except RuntimeError:
        desk.settle()

    assert desk.calls == 2


def test_reload_treats_the_files_as_changed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    desk.watcher.reload()
    desk.settle()

    assert desk.calls == 1


def test_a_reload_asked_for_during_another_is_made_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def ask_once(seen: Signature) -> None:
        desk.called(seen)
        if desk.calls == 1:
            desk.watcher.reload()

    desk.watcher._on_change = ask_once
    desk.watcher.reload()
    desk.settle()
    desk.settle()
    desk.settle()

    assert desk.calls == 2


def test_a_reload_that_fails_is_still_owed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    failures = [RuntimeError("the database is away")]

    def fail_once(seen: Signature) -> None:
        desk.called(seen)
        if failures:
            raise failures.pop()

    desk.watcher._on_change = fail_once
    desk.watcher.reload()
    with pytest.raises(RuntimeError):
        desk.settle()
    desk.settle()

    assert desk.calls == 2


def test_a_reload_during_which_the_files_change_is_made_again_though_they_are_not_followed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def edit_once(seen: Signature) -> None:
        desk.called(seen)
        if desk.calls == 1:
            desk.file.write_text(ONE + "# more\n")

    desk.watcher = Watcher(desk.clock, [desk.file], edit_once, follows=False)
    desk.watcher.reload()
    for _ in range(3):
        desk.settle()

    assert desk.calls == 2
