"""Wake-ups between processes of one machine: a unix datagram to every socket in a folder beside the database.

Where nobody listens there is no folder, and a ring costs one failed look. A ring is a hint: what cannot be
delivered is polled for.
"""

import hashlib
import logging
import os
import selectors
import socket
import threading
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import get_args

from jobsched.store.port import Topic

log = logging.getLogger("jobsched")

#: The address of a unix socket holds 107 bytes on Linux, 103 on macOS.
LONGEST_ADDRESS = 103
_NAME_LENGTH = len("/1234567890-12345678")
_FALLBACK = Path("/tmp")  # noqa: S108 - never trusted with more than a hint
_TOPICS: tuple[Topic, ...] = get_args(Topic)
_TRIES = 5


def folder_of(database: Path) -> Path:
    """Beside the file; for a path that no socket's address can hold, a folder of this user's under /tmp."""
    beside = database.with_name(database.name + ".wake")
    if len(os.fsencode(beside)) + _NAME_LENGTH <= LONGEST_ADDRESS:
        return beside
    digest = hashlib.sha256(os.fsencode(database.resolve())).hexdigest()[:16]
    return _FALLBACK / f"jobsched-{os.getuid()}-{digest}"


def ring(folder: Path, topic: Topic, but: Collection[str] = ()) -> None:
    """Tell whoever listens, but those of these names. Sockets of processes that ended without closing are taken away."""
    # This is on the way of each commit: nobody who listens is the least to find out, and of others the names are enough.
    if not os.access(folder, os.F_OK):
        return
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return
    if but:
        names = [name for name in names if name not in but]
    if not names:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for name in names:
            _send(sender, folder / name, topic)


def _send(sender: socket.socket, address: Path, topic: Topic) -> None:
    try:
        sender.sendto(topic.encode(), str(address))
    except ConnectionRefusedError:
        with suppress(OSError):
            address.unlink()
    except OSError as error:  # gone, or full: then it has rings enough
        log.debug("a wake-up was not sent to %s: %s", address, error)


def _make(folder: Path) -> None:
    if folder.parent == _FALLBACK:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to somebody else")
        return
    folder.mkdir(exist_ok=True)


class SocketDoorbell:
    """A socket in the folder, and a thread that reads it."""

    def __init__(self, folder: Path, on_ring: Callable[[Topic], None]) -> None:
        self._folder, self._on_ring = folder, on_ring
        self._address: Path | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # Of its own: the folder, and with it the address, may be gone by the time this is closed.
        self._stop, self._stopped = socket.socketpair()
        self._closed = threading.Event()
        try:
            self._address = self._bind()
        except OSError as error:
            log.warning("no wake-ups from other processes, which costs latency only: %s: %s", folder, error)
        self._thread = threading.Thread(target=self._run, name="jobsched-doorbell", daemon=True)
        if self._address is not None:
            self._thread.start()

    @property
    def name(self) -> str | None:
        """Of its socket; None if it has none, or has no more."""
        return None if self._address is None or self._closed.is_set() else self._address.name

    def ring(self, topic: Topic) -> None:
        """As if it had been heard, in the caller's thread."""
        if not self._closed.is_set():
            with suppress(Exception):  # a listener's fault must not end the listening, nor harm who rings
                self._on_ring(topic)

    def close(self) -> None:
        """End the thread and leave nothing behind; idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._address is not None:
            self._end(self._address)
        for each in (self._socket, self._stop, self._stopped):
            each.close()

    def _bind(self) -> Path:
        for attempt in range(_TRIES):
            _make(self._folder)
            address = self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
            try:
                self._socket.bind(str(address))
            except FileNotFoundError:  # another doorbell was the last one, and took the folder away
                if attempt == _TRIES - 1:
                    raise
                continue
            return address
        raise AssertionError("the loop returns or raises")

    def _run(self) -> None:
        with selectors.DefaultSelector() as either:
            either.register(self._socket, selectors.EVENT_READ)
            either.register(self._stopped, selectors.EVENT_READ)
            while not self._closed.is_set():
                either.select()
                self._hear()

    def _hear(self) -> None:
        with suppress(OSError):  # nothing there: it was the other one
            said = self._socket.recv(64).decode(errors="replace")
            for topic in _TOPICS:
                if topic == said:
                    self.ring(topic)

    def _end(self, address: Path) -> None:
        self._stop.send(b".")
        if self._thread is not threading.current_thread():
            self._thread.join()
        with suppress(OSError):
            address.unlink()
        with suppress(OSError):
            self._folder.rmdir()
