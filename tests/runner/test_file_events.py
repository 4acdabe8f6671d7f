"""File events, with the system's own: what is listened to, and that it goes on when folders come and go."""

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog import observers

from jobsched.runner.file_events import FileEvents
from jobsched.runner.signature import folders_of


class Listening:
    """File events of some paths, and whether they rang."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.events = FileEvents(self.rung.set)

    def follow(self, *paths: Path) -> None:
        self.events.follow(folders_of(paths))

    def ring_after(self, file: Path, text: str = "x\n") -> bool:
        """Whether writing this file rings."""
        self.rung.clear()
        file.write_text(text)
        return self.rung.wait(20)


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.events.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "jobs.yaml").write_text("a\n")
    return tmp_path / "conf" / "jobs.yaml"


def test_a_written_file_rings(listening: Listening, file: Path) -> None:
    listening.follow(file)

    assert listening.ring_after(file)


def test_a_folder_that_was_moved_away_and_replaced_is_listened_to_again(listening: Listening, file: Path) -> None:
    listening.follow(file)
    file.parent.rename(file.parent.with_name("old"))
    file.parent.mkdir()

    listening.follow(file)

    assert listening.ring_after(file)


def test_a_folder_that_was_removed_and_recreated_is_listened_to_again(listening: Listening, file: Path) -> None:
    listening.follow(file)
    shutil.rmtree(file.parent)
    listening.follow(file)
    file.parent.mkdir()

    listening.follow(file)

    assert listening.ring_after(file)


def test_an_emitter_that_died_is_replaced(listening: Listening, file: Path) -> None:
    listening.follow(file)
    for emitter in listening.events._observer.emitters:
        emitter.stop()
        emitter.join(20)

    listening.follow(file)

    assert listening.ring_after(file)


def test_an_observer_that_died_is_replaced(listening: Listening, file: Path) -> None:
    listening.follow(file)
    listening.events._observer.stop()
    listening.events._observer.join(20)

    listening.follow(file)

    assert listening.ring_after(file)


def test_the_folder_that_a_link_leads_to_now_is_listened_to(listening: Listening, file: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "real.yaml").write_text("a\n")
    file.unlink()
    file.symlink_to(tmp_path / "one" / "real.yaml")
    listening.follow(file)
    file.unlink()
    file.symlink_to(tmp_path / "two" / "real.yaml")

    listening.follow(file)

    assert listening.ring_after(tmp_path / "two" / "real.yaml")


def test_a_folder_that_is_itself_a_link_is_listened_to(listening: Listening, file: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("conf")
    listening.follow(tmp_path / "current" / "jobs.yaml")

    assert listening.ring_after(file)


def test_following_the_same_folders_again_changes_nothing(listening: Listening, file: Path) -> None:
    listening.follow(file)
    before = listening.events._observer

    listening.follow(file)

    assert listening.events._observer is before


def test_nothing_goes_on_after_the_end(file: Path) -> None:
    threads = set(threading.enumerate())
    listening = Listening()
    listening.follow(file)
    begun = set(threading.enumerate()) - threads

    listening.events.stop()

    assert begun
    for thread in begun:
        thread.join(20)
        assert not thread.is_alive()


def test_what_cannot_be_listened_to_is_said_once(
    listening: Listening,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def exhausted() -> None:
        raise OSError(24, os.strerror(24))

    with monkeypatch.context() as inotify, caplog.at_level(logging.WARNING, "jobsched"):
        inotify.setattr(observers, "Observer", exhausted)
        listening.follow(file)
        listening.follow(file)
        listening.follow(file, tmp_path / "jobs.yaml")
    said = [record.getMessage() for record in caplog.records]

    listening.follow(file)

    assert said == ["changes of files are found by polling each second: [Errno 24] Too many open files"]
    assert listening.ring_after(file)


def test_an_observer_that_fails_half_way_leaves_nothing_behind(
    listening: Listening, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set(threading.enumerate())

    class Failing(observers.Observer):  # type: ignore[misc, valid-type]
        def on_thread_start(self) -> None:
            super().on_thread_start()
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(observers, "Observer", Failing)
    listening.follow(file)

    for thread in set(threading.enumerate()) - threads:
        thread.join(20)
        assert not thread.is_alive()
