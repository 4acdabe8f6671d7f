"""Wake-ups: few on PostgreSQL, nothing left behind on SQLite, and threads that end."""

import os
import shutil
import socket
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from jobsched.errors import StoreError
from jobsched.store.open import open_store
from jobsched.store.port import Topic
from jobsched.testing.builders import a_run
from jobsched.testing.clock import FakeClock
from jobsched_postgres.wake import BURST, PAUSE_SECONDS, Ringer
from jobsched_sqlite.wake import LONGEST_ADDRESS, SocketDoorbell, folder_of, ring

LONG_SECONDS = 10.0


class Sent:
    """Collects what a ringer sends, and lets a test wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._topics: list[Topic] = []

    def send(self, topic: Topic) -> None:
        with self._changed:
            self._topics.append(topic)
            self._changed.notify_all()

    def once_there_are(self, count: int) -> list[Topic]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._topics) >= count, LONG_SECONDS)
            return list(self._topics)

    @property
    def now(self) -> list[Topic]:
        with self._changed:
            return list(self._topics)


def test_the_first_rings_go_at_once_and_many_later_ones_as_one() -> None:
    sent, clock = Sent(), FakeClock()
    with closing(Ringer(sent.send, clock)) as ringer:
        for _ in range(BURST + 50):
            ringer.ring("runs")
        at_once = sent.now

        clock.advance(PAUSE_SECONDS * 2)
        trailing = sent.once_there_are(BURST + 1)

    assert at_once == ["runs"] * BURST
    assert trailing == sent.now == ["runs"] * (BURST + 1)


def test_rings_of_both_topics_trail() -> None:
    sent, clock = Sent(), FakeClock()
    with closing(Ringer(sent.send, clock)) as ringer:
        for _ in range(BURST):
            ringer.ring("runs")
        ringer.ring("runs")
        ringer.ring("jobs")

        clock.advance(PAUSE_SECONDS * 2)

        assert sorted(sent.once_there_are(BURST + 2)[BURST:]) == ["jobs", "runs"]


def test_the_bucket_fills_again() -> None:
    sent, clock = Sent(), FakeClock()
    with closing(Ringer(sent.send, clock)) as ringer:
        for _ in range(BURST):
            ringer.ring("runs")
        clock.advance(PAUSE_SECONDS * 3.5)

        for _ in range(3):
            ringer.ring("runs")

        assert len(sent.now) == BURST + 3


def test_a_ring_that_waits_goes_along_with_a_run_that_may_ring() -> None:
    sent, clock = Sent(), FakeClock()
    with closing(Ringer(sent.send, clock)) as ringer:
        for _ in range(BURST + 1):
            ringer.ring("pending")
        too_soon = ringer.take("pending")
        clock.advance(PAUSE_SECONDS * 1.2)
        taken_along = ringer.take("pending")

        ringer.ring("jobs")
        clock.advance(PAUSE_SECONDS * 2)
        trailing = sent.once_there_are(BURST + 1)[BURST:]

    assert (too_soon, taken_along) == (False, True)
    assert trailing == sent.now[BURST:] == ["jobs"]


def test_a_ring_does_not_wait_for_ever_while_runs_of_another_topic_take_each_place() -> None:
    clock = FakeClock()
    ringer = Ringer(Sent().send, clock)
    ringer._thread = threading.Thread(target=lambda: None)  # it is asked here what that would send
    ringer._thread.start()
    for _ in range(BURST):
        ringer.ring("pending")
    ringer.ring("cancels")

    sent = set[Topic]()
    for _ in range(3):
        for _ in range(15):
            clock.advance(PAUSE_SECONDS / 10)
            ringer.take("pending")
        sent |= ringer._taken()

    assert sent == {"cancels"}
    assert not ringer._wanted.is_set()


def test_a_run_that_is_refused_rings_for_those_whose_ring_it_took_along(postgres_url: str) -> None:
    sent = Sent()
    with closing(open_store(postgres_url)) as store, closing(Ringer(sent.send, FakeClock())) as ringer:
        store._dialect._ringer = ringer  # type: ignore[attr-defined]

        with pytest.raises(StoreError):
            store.enqueue([a_run(priority=2**63)])

        assert sent.now == ["pending"]


def test_closing_sends_what_waits() -> None:
    sent = Sent()
    ringer = Ringer(sent.send, FakeClock())
    for _ in range(BURST + 1):
        ringer.ring("runs")

    ringer.close()
    ringer.close()

    assert len(sent.now) == BURST + 1


def test_a_forked_child_rings_by_a_thread_of_its_own_and_leaves_its_parents_rings_to_it() -> None:
    sent, clock = Sent(), FakeClock()
    with closing(Ringer(sent.send, clock)) as ringer:
        ringer._waiting = {"jobs"}  # what the thread was about to send

        ringer.forked()
        for _ in range(BURST + 1):
            ringer.ring("runs")
        clock.advance(PAUSE_SECONDS * 2)

        assert sent.once_there_are(BURST + 1) == ["runs"] * (BURST + 1)


def test_a_ring_that_cannot_be_sent_harms_nobody() -> None:
    def fail(_topic: Topic) -> None:
        raise OSError("no network")

    with closing(Ringer(fail, FakeClock())) as ringer:
        ringer.ring("runs")


def test_a_doorbell_listens_again_after_its_connection_was_lost(postgres_url: str) -> None:
    rung = threading.Semaphore(0)
    with closing(open_store(postgres_url)) as store, closing(store.listen(lambda _topic: rung.release())):
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            ended = admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where query = 'listen jobsched' and datname = current_database()"
            ).fetchall()
        assert ended == [(True,)]

        # It rings by itself when it is back, for whatever it missed; and then for new work.
        assert rung.acquire(timeout=LONG_SECONDS)
        assert rung.acquire(timeout=LONG_SECONDS)
        store.enqueue([a_run()])
        assert rung.acquire(timeout=LONG_SECONDS)


def test_a_listener_that_fails_is_rung_again(database_url: str) -> None:
    rung = threading.Semaphore(0)

    def fail(_topic: Topic) -> None:
        rung.release()
        raise RuntimeError("a fault of the listener")

    with closing(open_store(database_url)) as store, closing(store.listen(fail)):
        for _ in range(2):
            store.enqueue([a_run()])
            assert rung.acquire(timeout=LONG_SECONDS)


def test_a_listener_of_the_same_store_is_rung_by_whoever_commits_however_often(database_url: str) -> None:
    rung: list[str] = []
    with closing(open_store(database_url)) as store:
        with closing(store.listen(lambda _topic: rung.append(threading.current_thread().name))):
            for _ in range(3 * BURST):
                store.enqueue([a_run()])
            here = rung.count(threading.current_thread().name)
            store.enqueue([a_run(), a_run(handler="other")])
            after_many = rung.count(threading.current_thread().name)
        store.enqueue([a_run()])

    assert here == 3 * BURST
    assert after_many > here
    assert rung.count(threading.current_thread().name) == after_many


def test_a_run_and_its_ring_go_though_the_socket_does_not_take_them_at_once(postgres_url: str) -> None:
    rung = threading.Semaphore(0)
    with closing(open_store(postgres_url)) as store, closing(open_store(postgres_url)) as other:
        with closing(other.listen(lambda _topic: rung.release())):
            [made] = store.enqueue([a_run(payload={"text": "x" * 1_000_000})])

            assert rung.acquire(timeout=LONG_SECONDS)
        assert store.run(made.id) is not None


def test_closing_a_store_ends_all_its_threads(database_url: str) -> None:
    before = set(threading.enumerate())
    store = open_store(database_url)
    store.listen(lambda _topic: None)
    for _ in range(30):
        store.enqueue([a_run()])

    store.close()

    assert set(threading.enumerate()) - before == set()


def test_a_bell_leaves_nothing_beside_the_file(sqlite_url: str) -> None:
    folder = folder_of(Path(sqlite_url.removeprefix("sqlite:///")))
    with closing(open_store(sqlite_url)) as store:
        first, second = store.listen(lambda _topic: None), store.listen(lambda _topic: None)
        sockets = list(folder.iterdir())

        first.close()
        second.close()

        assert len(sockets) == 2
        assert not folder.exists()


def test_a_bell_ends_though_its_folder_was_removed(tmp_path: Path) -> None:
    """A node whose database was deleted did not end on SIGTERM."""
    folder = tmp_path / "jobs.db.wake"
    bell = SocketDoorbell(folder, lambda topic: None)
    shutil.rmtree(folder)

    closing_it = threading.Thread(target=bell.close, daemon=True)
    closing_it.start()
    closing_it.join(LONG_SECONDS)

    assert not closing_it.is_alive()


def test_a_socket_whose_process_died_is_taken_away(tmp_path: Path) -> None:
    folder, rung = tmp_path / "jobs.db.wake", threading.Event()
    folder.mkdir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(folder / "dead"))
    dead.close()

    with closing(SocketDoorbell(folder, lambda _topic: rung.set())):
        ring(folder, "runs")

        assert rung.wait(LONG_SECONDS)
        assert not (folder / "dead").exists()


def test_a_full_socket_does_not_hold_up_a_commit(tmp_path: Path) -> None:
    folder = tmp_path / "jobs.db.wake"
    folder.mkdir()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(str(folder / "deaf"))

        for _ in range(2000):
            ring(folder, "runs")

        assert (folder / "deaf").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_folder(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 100) / "jobs.db"

    folder, again, other = folder_of(long), folder_of(long), folder_of(long.with_name("other.db"))

    assert len(os.fsencode(folder)) < LONGEST_ADDRESS - 20
    assert folder == again != other


def test_wake_ups_work_for_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    deep, rung = tmp_path / ("d" * 100), threading.Event()
    deep.mkdir()
    with closing(open_store(f"sqlite:///{deep}/jobs.db")) as store:
        store.migrate()
        with closing(store.listen(lambda _topic: rung.set())):
            store.enqueue([a_run()])

            assert rung.wait(LONG_SECONDS)
    assert not folder_of(deep / "jobs.db").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_a_place_for_the_socket_polling_has_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)

    SocketDoorbell(tmp_path / "jobs.db.wake", lambda _topic: None).close()
