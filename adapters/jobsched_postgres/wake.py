"""Wake-ups by NOTIFY: hints between processes, few enough that no commit of others waits for them."""

import logging
import select
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, get_args

import psycopg

from jobsched.clock import Clock
from jobsched.store.port import Topic
from jobsched_postgres.watchdog import Watchdog, cut

log = logging.getLogger("jobsched")

CHANNEL = "jobsched"
#: The statement that rings for runs.
NOTIFY: Mapping[Topic, bytes] = {"pending": b"notify jobsched, 'pending'", "runs": b"notify jobsched, 'runs'"}
_TOPICS: tuple[Topic, ...] = get_args(Topic)
_TOPIC_OF: Mapping[bytes, Topic] = {topic.encode(): topic for topic in _TOPICS}

#: A commit with a NOTIFY holds a lock of the whole database, and each costs every listener a look: the first ones go at
#: once, the rest are thinned out.
BURST = 10
PAUSE_SECONDS = 0.005
#: So much longer a ring that waits leaves it to a run that is enqueued meanwhile to take it along, which costs that next to
#: nothing; a thread that sends it takes the interpreter, and the kept connection, from those that enqueue.
_LEFT_TO_RUNS_SECONDS = PAUSE_SECONDS / 2

_PING_SECONDS = 10.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.2, 10.0
_SETTLE_SECONDS = 5.0


class Ringer:
    """Sends rings through a token bucket. What finds it empty is sent by a thread, once for all that came meanwhile."""

    def __init__(self, send: Callable[[Topic], None], clock: Clock) -> None:
        self._send, self._clock = send, clock
        self.forked()

    def forked(self) -> None:
        """As new, which it is in a forked child: locks may have been held by threads that are not there, and none sends."""
        self._lock = threading.Lock()
        self._tokens, self._filled_at = float(BURST), self._clock.monotonic()
        self._waiting: set[Topic] = set()
        self._passed_over: set[Topic] = set()  #: of those, what was due once and found no place
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._wanted = threading.Event()

    def ring(self, topic: Topic) -> None:
        """At once, or within one and a half times `PAUSE_SECONDS`; thrice, where runs of another topic take the places. Never raises."""
        with self._lock:
            if self._closing.is_set():
                return
            if topic in self._waiting or not self._take():
                self._wait_with(topic)
                return
        self._try(topic)

    def take(self, topic: Topic) -> bool:
        """Whether the caller may send this ring itself, with the transaction that it is about, which saves one; else it rings after it.

        It then stands for what waits, too: whose transaction fails rings for that.
        """
        with self._lock:
            if self._closing.is_set() or not self._take():
                return False
            self._waiting.discard(topic)
            self._passed_over.discard(topic)
            return True

    def close(self) -> None:
        """Send what waits, and end the thread; idempotent."""
        self._closing.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) / PAUSE_SECONDS)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _wait_with(self, topic: Topic) -> None:
        self._waiting.add(topic)
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._trail, name="jobsched-ringer", daemon=True)
            self._thread.start()

    def _trail(self) -> None:
        while not self._closing.is_set():
            self._clock.wait(self._wanted, None)
            self._clock.wait(self._closing, self._until_due())
            for topic in self._taken():
                self._try(topic)

    def _until_due(self) -> float:
        with self._lock:
            full_at = self._filled_at + (1 - self._tokens) * PAUSE_SECONDS
            return full_at + _LEFT_TO_RUNS_SECONDS - self._clock.monotonic()

    def _taken(self) -> set[Topic]:
        """What is to be sent now: none if a run has taken it along, and perhaps left another ring to wait for the next place.

        What no run takes along, since those enqueued are of another topic, is not passed over twice: it goes without a place.
        """
        with self._lock:
            if self._waiting and (self._take() or self._closing.is_set()):
                topics = self._waiting
            elif topics := self._waiting & self._passed_over:
                self._tokens -= 1
            self._waiting = self._waiting - topics
            self._passed_over = self._waiting.copy()
            if not self._waiting:
                self._wanted.clear()
        return topics

    def _try(self, topic: Topic) -> None:
        try:
            self._send(topic)
        except Exception as error:  # noqa: BLE001 - a hint: what it was about is committed, and is polled for
            log.debug("a wake-up was not sent: %s", error)


class Doorbell:
    """LISTENs on a connection of its own, made again whenever it is lost."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        on_ring: Callable[[Topic], None],
        clock: Clock,
        watchdog: Watchdog,
        is_own: Callable[[int], bool],
    ) -> None:
        """`is_own`: whether this process of the server's serves the same store, which rings its listeners itself."""
        self._is_own = is_own
        self._connect, self._on_ring = connect, on_ring
        self._clock, self._watchdog = clock, watchdog
        self._closing = threading.Event()
        self._listening = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="jobsched-doorbell", daemon=True)
        self._thread.start()
        # What is committed after `listen` has returned should ring; if the server is slow, polling finds it.
        clock.wait(self._listening, _SETTLE_SECONDS)

    def ring(self, *topics: Topic) -> None:
        """As if they had been heard, in the caller's thread."""
        for topic in topics:
            if not self._closing.is_set():
                with suppress(Exception):  # a listener's fault must not end the listening, nor harm who rings
                    self._on_ring(topic)

    def close(self) -> None:
        """End the thread; idempotent."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            cut(connection)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        pause = _FIRST_BACKOFF_SECONDS
        while not self._closing.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.debug("the connection for wake-ups was lost: %s", error)
            if self._listening.is_set():
                pause = _FIRST_BACKOFF_SECONDS
            self._clock.wait(self._closing, pause)
            pause = min(pause * 2, _LONGEST_BACKOFF_SECONDS)

    def _listen(self) -> None:
        again = self._listening.is_set()
        self._listening.clear()
        with self._connect() as connection:
            self._connection = connection
            connection.add_notify_handler(lambda notice: self._heard(notice.pid, notice.payload.encode()))
            poll = select.poll()
            poll.register(connection.fileno(), select.POLLIN)
            try:
                connection.execute("listen jobsched")
                self._listening.set()
                if again:
                    self.ring(*_TOPICS)  # whatever was rung while nobody listened
                while not self._closing.is_set():
                    self._hear(connection, poll)
            finally:
                self._connection = None
                self._watchdog.forget(connection)

    def _hear(self, connection: psycopg.Connection[Any], poll: select.poll) -> None:
        """What rang; and after a while of silence a sign that the connection lives, because a cut wire makes none.

        libpq itself is asked: `notifies` takes longer than all else from here to the claim, and would look for signals ten
        times a second, which this thread never gets. What comes while the driver waits for an answer it tells its handler.
        """
        if not poll.poll(_PING_SECONDS * 1000):
            self._watchdog.watch(connection)
            connection.execute("select 1")
            self._watchdog.forget(connection)
        pgconn = connection.pgconn
        pgconn.consume_input()
        while (notice := pgconn.notifies()) is not None:
            self._heard(notice.be_pid, notice.extra)

    def _heard(self, server_pid: int, payload: bytes) -> None:
        topic = _TOPIC_OF.get(payload)
        if topic is not None and not self._is_own(server_pid):
            self.ring(topic)
