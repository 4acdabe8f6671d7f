"""What becomes of a database whose `-wal` or `-shm` is removed while it is open: two truths, unless somebody looks."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobsched.errors import StoreLostError
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import a_run, runs
from jobsched.testing.clock import FakeClock


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(sqlite_url: str, clock: FakeClock) -> Iterator[Store]:
    with closing(open_store(sqlite_url, clock=clock)) as opened:
        opened.enqueue([a_run()])
        yield opened


def remove(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


def elsewhere(path: Path, statement: str) -> str:
    """In another process: within one, SQLite shares what it knows of a file."""
    program = (
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2]).fetchall())"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(path), statement]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("removed", [("-wal", "-shm"), ("-wal",), ("-shm",)])
def test_once_they_are_removed_nothing_is_written_or_read_any_more_and_nothing_is_lost(
    store: Store, clock: FakeClock, path: Path, removed: tuple[str, ...]
) -> None:
    remove(path, *removed)
    store.enqueue([a_run()])
    clock.advance("1s")

    for ask in (lambda: store.enqueue([a_run()]), lambda: runs(store), lambda: store.enqueue([a_run()] * 2)):
        with pytest.raises(StoreLostError, match=r"end all programs that have it open.*is saved in the database"):
            ask()

    assert elsewhere(path, "select count(*) from jobsched_runs") == "[(2,)]"


@pytest.mark.parametrize("removed", [("-wal", "-shm"), ("-shm",)])
def test_what_others_wrote_meanwhile_outlives_the_store_that_did_not_see_it(
    store: Store, clock: FakeClock, path: Path, removed: tuple[str, ...]
) -> None:
    remove(path, *removed)
    elsewhere(path, "create table other (x)")
    clock.advance("1s")

    with pytest.raises(StoreLostError, match="may be lost"):
        store.enqueue([a_run()])
    store.close()
    gc.collect()

    assert elsewhere(path, "select count(*) from other") == "[(0,)]"
    assert elsewhere(path, "pragma integrity_check") == "[('ok',)]"


def test_who_only_read_meanwhile_keeps_nothing_from_being_saved(
    store: Store, clock: FakeClock, path: Path, sqlite_url: str
) -> None:
    remove(path, "-wal", "-shm")
    elsewhere(path, "select count(*) from jobsched_runs")
    clock.advance("1s")

    with pytest.raises(StoreLostError, match="may be lost"):
        store.enqueue([a_run()])
    store.close()

    with closing(open_store(sqlite_url)) as again:
        assert len(runs(again)) == 1


def test_others_that_come_and_go_are_no_matter(store: Store, clock: FakeClock, path: Path, sqlite_url: str) -> None:
    for statement in ("vacuum", "pragma wal_checkpoint(truncate)", "reindex"):
        elsewhere(path, statement)
        with closing(open_store(sqlite_url)) as another:
            another.migrate()
        clock.advance("1s")
        store.enqueue([a_run()])

    assert len(runs(store)) == 4


def test_files_that_were_made_anew_while_it_had_none_open_are_its_own(
    store: Store, clock: FakeClock, path: Path
) -> None:
    store._dialect.before_fork()  # type: ignore[attr-defined]
    assert not path.with_name(path.name + "-wal").exists()
    clock.advance("1s")

    store.enqueue([a_run()])

    clock.advance("1s")
    assert len(runs(store)) == 2


def test_a_link_to_the_file_has_its_companions_where_it_leads(path: Path, clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    with closing(open_store(f"sqlite:///{link}", clock=clock)) as store:
        store.enqueue([a_run()])
        clock.advance("1s")
        store.enqueue([a_run()])

        remove(path, "-wal", "-shm")
        clock.advance("1s")

        with pytest.raises(StoreLostError, match="end all programs"):
            store.enqueue([a_run()])
