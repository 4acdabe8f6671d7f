import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched.errors import HandlerCancelledError
from jobsched.handlers.call import Call
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.context import Context
from jobsched.handlers.maintenance import backup
from jobsched.handlers.registry import Registry, check_payload
from jobsched.model.handler import PythonHandler
from jobsched.testing.clock import FakeClock

from .conftest import Remembered


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cancel(clock: FakeClock) -> CancelToken:
    return CancelToken(clock)


@pytest.fixture
def make(clock: FakeClock, cancel: CancelToken) -> Any:
    """Makes one backup, as a run does."""

    def act(source: Path, target: str | Path, keep: int = 7) -> dict[str, Any]:
        call = Call(
            run_id=1,
            namespace="default",
            job="backup",
            attempt=1,
            max_attempts=1,
            scheduled_at=None,
            payload={},
            handler=PythonHandler("backup"),
            timeout=None,
            env={},
            cwd=None,
            cancel=cancel,
            log=Remembered(),
        )
        return backup(Context(call, clock), str(source), str(target), keep)

    return act


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database in WAL mode, in use."""
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO orders (text) VALUES (?)", [("x" * 500,)] * 1000)
        connection.execute("COMMIT")
        yield connection


def orders(path: str | Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        [count] = connection.execute("SELECT count(*) FROM orders").fetchone()
    return int(count)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_has_all_that_was_committed_although_the_database_is_in_use(
    make: Any, writer: sqlite3.Connection, tmp_path: Path
) -> None:
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO orders (text) VALUES ('not committed')")

    result = make(tmp_path / "shop.db", tmp_path / "copy.db")

    writer.execute("COMMIT")
    assert orders(result["path"]) == 1000
    assert result == {
        "path": str(tmp_path / "copy.db"),
        "bytes": (tmp_path / "copy.db").stat().st_size,
        "pages": result["pages"],
    }
    assert result["pages"] * 4096 == result["bytes"]


def test_into_a_folder_the_copy_is_named_after_the_database_and_the_time(
    make: Any, writer: sqlite3.Connection, tmp_path: Path
) -> None:
    make(tmp_path / "shop.db", f"{tmp_path}/backups/")

    assert names(tmp_path / "backups") == ["shop-20260101T000000Z.db"]


def test_a_folder_that_exists_needs_no_slash(make: Any, writer: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()

    make(tmp_path / "shop.db", tmp_path / "backups")

    assert names(tmp_path / "backups") == ["shop-20260101T000000Z.db"]


def test_placeholders_in_the_name_are_the_time_in_utc(make: Any, writer: sqlite3.Connection, tmp_path: Path) -> None:
    make(tmp_path / "shop.db", tmp_path / "b" / "%Y-%m-%d.db")

    assert names(tmp_path / "b") == ["2026-01-01.db"]


def test_the_newest_are_kept_and_what_is_not_ours_is_never_deleted(
    make: Any, writer: sqlite3.Connection, tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    for name in ("notes.db", "2025-1-1.db", "2025-01-01.db.old", "other-2025-01-01.db"):
        (folder / name).touch()

    for _ in range(4):
        make(tmp_path / "shop.db", folder / "%Y-%m-%d.db", keep=2)
        clock.advance(timedelta(days=1))

    assert names(folder) == [
        "2025-01-01.db.old",
        "2025-1-1.db",
        "2026-01-03.db",
        "2026-01-04.db",
        "notes.db",
        "other-2025-01-01.db",
    ]


def test_a_name_without_placeholders_is_replaced(make: Any, writer: sqlite3.Connection, tmp_path: Path) -> None:
    make(tmp_path / "shop.db", tmp_path / "copy.db")
    writer.execute("DELETE FROM orders")

    make(tmp_path / "shop.db", tmp_path / "copy.db")

    assert orders(tmp_path / "copy.db") == 0


def test_a_copy_is_one_file_that_only_its_owner_reads(make: Any, writer: sqlite3.Connection, tmp_path: Path) -> None:
    make(tmp_path / "shop.db", tmp_path / "b" / "copy.db")

    assert orders(tmp_path / "b" / "copy.db") == 1000
    assert names(tmp_path / "b") == ["copy.db"]
    assert stat.S_IMODE((tmp_path / "b" / "copy.db").stat().st_mode) == 0o600


def test_a_stopped_backup_leaves_nothing_and_replaces_nothing(
    make: Any, writer: sqlite3.Connection, tmp_path: Path, cancel: CancelToken
) -> None:
    make(tmp_path / "shop.db", tmp_path / "b" / "copy.db")
    writer.execute("DELETE FROM orders")
    cancel.cancel("shutdown")

    with pytest.raises(HandlerCancelledError):
        make(tmp_path / "shop.db", tmp_path / "b" / "copy.db")

    assert names(tmp_path / "b") == ["copy.db"]
    assert orders(tmp_path / "b" / "copy.db") == 1000


def test_a_source_that_does_not_exist_is_named_and_not_created(make: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no database to copy: .*/gone.db"):
        make(tmp_path / "gone.db", tmp_path / "copy.db")

    assert names(tmp_path) == []


def test_a_source_that_is_no_database_is_refused(make: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database" * 1000)

    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        make(tmp_path / "shop.db", tmp_path / "copy.db")

    assert names(tmp_path) == ["shop.db"]


@pytest.mark.parametrize(
    ("target", "keep", "words"),
    [
        ("b/%Y.db", 0, "keep is how many copies stay, at least 1"),
        ("%Y/copy.db", 7, "placeholders stand in the file name only"),
        ("shop.db", 7, "target is the database itself"),
        ("b/%Q.db", 7, "bad directive"),
    ],
)
def test_a_bad_target_is_refused_before_anything_is_written(
    make: Any, writer: sqlite3.Connection, tmp_path: Path, target: str, keep: int, words: str
) -> None:
    before = names(tmp_path)

    with pytest.raises(ValueError, match=words):
        make(tmp_path / "shop.db", tmp_path / target, keep)

    assert names(tmp_path) == before


def test_jobs_yaml_finds_it_by_its_import_path() -> None:
    found = Registry().resolve("jobsched.handlers.maintenance:backup")

    check_payload(found, {"source": "jobsched.db", "target": "backups/", "keep": 7})
