"""What may be wrong with a file, and what is said about it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jobsched.errors import DatabaseUrlError, SchemaError, StoreBrokenError, StoreError, StoreUnavailableError
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import a_node, a_run, runs
from jobsched.testing.clock import FakeClock
from jobsched_sqlite import connections, writer
from jobsched_sqlite.failures import translated
from jobsched_sqlite.mounts import refuse_network
from jobsched_sqlite.statements import INSERT_ONE


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    with closing(open_store(sqlite_url)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?mode=memory", "in memory"),
        ("sqlite://jobs.db", "three"),
        ("sqlite+aiosqlite:///jobs.db", "not supported"),
        ("sqlite:///jobs.db?timeout=3", "'timeout'"),
        ("sqlite:///jobs.db?synchronous=off", "neither full nor normal"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, said: str) -> None:
    with pytest.raises(DatabaseUrlError, match=said):
        open_store(url)


def test_a_relative_path_is_that_of_the_folder_where_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_store("sqlite:///jobs.db")) as store:
        monkeypatch.chdir("/")

        store.migrate()

        assert (tmp_path / "jobs.db").exists()


@pytest.mark.parametrize("name", ["with space.db", "per%20cent.db", "qu\u00e8?s#tion.db", "&=;.db"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with closing(open_store(f"sqlite:///{quote(str(file))}")) as store:
        store.migrate()

    assert file.exists()


def test_a_missing_file_is_said_to_be_missing_and_not_made(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/jobs.db", create=False)) as store:
        for question in (store.schema, store.migrate, store.namespaces):
            with pytest.raises(StoreError, match=r"jobs\.db does not exist"):
                question()

    assert list(tmp_path.iterdir()) == []


def test_a_file_without_schema_is_told_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").touch()

    with closing(open_store(f"sqlite:///{tmp_path}/jobs.db")) as store:
        assert store.schema().state == "missing"
        with pytest.raises(SchemaError, match="jobsched db upgrade"):
            store.enqueue([a_run()])


def test_garbage_is_no_database_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"this is no database" * 100)

    with closing(open_store(f"sqlite:///{file}")) as store:
        for question in (store.schema, store.migrate):
            with pytest.raises(StoreError, match=r"SQLITE_NOTADB.*is the path right"):
                question()

    assert file.read_bytes() == b"this is no database" * 100


def test_a_damaged_file_is_told_to_be_restored(store: Store, path: Path) -> None:
    store.enqueue([a_run(payload={"x": "y" * 500})] * 200)
    store.tidy()
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))

    with closing(open_store(f"sqlite:///{path}")) as again, pytest.raises(StoreError, match=r"SQLITE_CORRUPT.*backup"):
        runs(again)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}")) as store, pytest.raises(StoreError, match="SQLITE_CANTOPEN"):
        store.schema()


def test_who_looks_for_dead_nodes_and_finds_none_waits_for_nobody_who_writes(
    path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.01)
    with closing(open_store(sqlite_url)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        a_node(store)
        other.execute("begin immediate")

        assert store.bury() == []


def test_a_file_that_another_process_holds_is_worth_another_try(
    path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.01)
    with closing(open_store(sqlite_url)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")

        with pytest.raises(StoreUnavailableError, match="locked by another process"):
            store.enqueue([a_run()])
        assert runs(store) == []

        other.execute("rollback")
        store.enqueue([a_run()])
        assert len(runs(store)) == 1


def test_a_run_is_made_when_the_file_is_to_be_had_not_when_it_was_asked_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    execute = connections.Driver.exec_driver_sql

    def after_others(driver: connections.Driver, statement: str, parameters: Any = ()) -> Any:
        if statement in ("begin immediate", INSERT_ONE):
            clock.advance("5s")
        return execute(driver, statement, parameters)

    monkeypatch.setattr(connections.Driver, "exec_driver_sql", after_others)
    with closing(open_store(sqlite_url, clock=clock)) as store:
        for wanted in ([a_run()], [a_run(tags=("a",))], [a_run()] * 2):
            store.enqueue(wanted)

            made = runs(store)[-1]
            assert made.created_at == made.available_at == clock.now()


def test_threads_that_wait_too_long_for_the_write_connection_may_try_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.01)
    with closing(open_store(sqlite_url)) as store:
        with store._dialect._writer, pytest.raises(StoreUnavailableError, match="busy writing to it for too long"):  # type: ignore[attr-defined]
            store.enqueue([a_run()])

        store.enqueue([a_run()])
        assert len(runs(store)) == 1


def test_what_failed_leaves_no_transaction_open(store: Store, path: Path) -> None:
    with pytest.raises(StoreError):
        store.enqueue([a_run(priority=2**70), a_run()])

    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("begin immediate")


def test_a_store_that_is_closed_leaves_no_connection_open(sqlite_url: str, path: Path) -> None:
    store = open_store(sqlite_url)
    store.enqueue([a_run()])

    store.close()

    # SQLite takes these away with the last connection.
    assert not path.with_name(path.name + "-wal").exists()


def test_a_file_that_was_replaced_is_opened_anew(store: Store, path: Path, tmp_path: Path) -> None:
    store.enqueue([a_run()])
    store.tidy()
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    store.enqueue([a_run()])

    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.replace(path)

    assert len(runs(store)) == 1


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with (
        closing(open_store(f"sqlite:///{tmp_path}/nodir/jobs.db")) as store,
        pytest.raises(StoreError, match=r"the folder .*/nodir does not exist"),
    ):
        store.migrate()


def test_a_folder_that_may_not_be_written_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the system's answers are played.
    monkeypatch.setattr(os, "access", lambda *_: False)

    with (
        pytest.raises(StoreError, match=r"jobs\.db does not exist, and this user may not write in "),
        translated(tmp_path / "jobs.db"),
    ):
        raise sqlite3.OperationalError("unable to open database file")


def test_a_folder_that_may_not_be_looked_into_is_told(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enqueue([a_run()])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)

    for ask in (lambda: store.enqueue([a_run()]), lambda: store.enqueue([a_run()] * 2), store.namespaces):
        with pytest.raises(StoreBrokenError, match="mind the owner and the mode of the folders above"):
            ask()


def test_a_full_disk_is_no_matter_of_what_was_to_be_written(path: Path) -> None:
    class Full(sqlite3.OperationalError):
        sqlite_errorname = "SQLITE_FULL"

    path.touch()

    with pytest.raises(StoreBrokenError, match="make room"), translated(path):
        raise Full("database or disk is full")


def test_a_file_that_was_removed_is_missed(store: Store, path: Path) -> None:
    store.enqueue([a_run()])

    path.unlink()

    with pytest.raises(StoreError, match="does not exist"):
        store.enqueue([a_run()])
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only")
def test_a_read_only_file_names_its_mode(store: Store, path: Path) -> None:
    path.chmod(0o444)

    with pytest.raises(StoreError, match=r"SQLITE_READONLY.*mode"):
        store.enqueue([a_run()])


@pytest.mark.parametrize(("option", "level"), [("", 2), ("?synchronous=full", 2), ("?synchronous=normal", 1)])
def test_commits_survive_a_power_cut_unless_asked_otherwise(sqlite_url: str, option: str, level: int) -> None:
    from jobsched_sqlite.location import parse

    with closing(connections.connect(parse(sqlite_url + option), "rw")) as connection:
        assert connection.execute("pragma synchronous").fetchone() == (level,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_an_old_sqlite_is_refused_by_its_version(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")

    with pytest.raises(StoreError, match=r"3\.34\.1 is too old, 3\.35 is needed"):
        open_store(sqlite_url)


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/shared rw - nfs4 server:/export rw
31 22 0:41 / /srv/shared/local rw - ext4 /dev/sdb1 rw
32 22 0:42 / /srv/my\\040share rw - cifs //host/share rw
33 22 0:43 / /srv/ssh rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"), [("/srv/shared", "nfs4"), ("/srv/my share/deep", "cifs"), ("/srv/ssh", r"fuse\.sshfs")]
)
def test_a_network_file_system_is_refused_by_name(tmp_path: Path, folder: str, kind: str) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTS)

    with pytest.raises(StoreError, match=f"network file system \\({kind} at "):
        refuse_network(Path(folder) / "jobs.db", mountinfo)


@pytest.mark.parametrize("folder", ["/", "/srv", "/srv/shared/local", "/srv/sharedness"])
def test_a_local_file_system_is_not_refused(tmp_path: Path, folder: str) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTS)

    refuse_network(Path(folder) / "jobs.db", mountinfo)
    refuse_network(Path(folder) / "jobs.db", tmp_path / "there is none on macOS")
