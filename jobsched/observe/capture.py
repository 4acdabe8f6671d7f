"""Sends what handlers print and log to the log of their run, and everything else where it always went."""

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TextIO


class Sink(Protocol):
    """Where an attempt's output goes."""

    def write(self, stream: str, text: str) -> None: ...


Current = Callable[[], Sink | None]


class Capture:
    """Of a whole process, installed once. `current` says whose output it is: the sink of this thread's attempt, or None.

    A thread that a handler starts belongs to the run only if it was given the handler's context
    (`contextvars.copy_context`); `asyncio.to_thread` does that.
    """

    def __init__(self, current: Current) -> None:
        self._current = current
        self._proxies: dict[str, _Proxy] = {}
        self._handler = _RunHandler(current)
        self._outside = _Outside(current)
        self._filtered: list[logging.Handler] = []
        self._lock = threading.Lock()
        self._users = 0

    def install(self) -> None:
        """From now on, until as many have called `uninstall`: several nodes of a process share it."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._install()

    def uninstall(self) -> None:
        """As it was, once nobody uses it any more; what somebody else has put in place meanwhile stays."""
        with self._lock:
            self._users = max(0, self._users - 1)
            if self._users == 0:
                self._uninstall()

    def _install(self) -> None:
        for name in ("stdout", "stderr"):
            proxy = _Proxy(getattr(sys, name), name, self._current)
            self._proxies[name] = proxy
            setattr(sys, name, proxy)
        # What goes to the run's log is kept out of the node's own, which may be written to the stderr that we stand before.
        self._filtered = list(logging.root.handlers)
        for handler in self._filtered:
            handler.addFilter(self._outside)
        logging.root.addHandler(self._handler)

    def _uninstall(self) -> None:
        for name, proxy in self._proxies.items():
            if getattr(sys, name) is proxy:
                setattr(sys, name, proxy.original)
        self._proxies = {}
        logging.root.removeHandler(self._handler)
        for handler in self._filtered:
            handler.removeFilter(self._outside)
        self._filtered = []


class _Proxy(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr; whatever is not about writing is the original's."""

    def __init__(self, original: TextIO, name: str, current: Current) -> None:
        self.original = original
        self._name, self._current = name, current

    def write(self, text: str) -> int:
        sink = self._current()
        if sink is None:
            return self.original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        sink.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        if self._current() is None:
            self.original.flush()

    def isatty(self) -> bool:
        return self._current() is None and self.original.isatty()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.original.fileno()

    def close(self) -> None:
        """Never: the streams of a process are not a handler's to close."""

    @property
    def buffer(self) -> Any:
        """Bytes written here are the handler's too."""
        return self.original.buffer if self._current() is None else _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.original.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.original.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _Bytes(io.RawIOBase):
    """sys.stdout.buffer within a run."""

    def __init__(self, text: _Proxy) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._text.write(raw.decode("utf-8", "replace"))
        return len(raw)


def _is_ours(record: logging.LogRecord) -> bool:
    """Said by jobsched itself, which may happen in a handler's thread but is not the handler's output."""
    return record.name == "jobsched" or record.name.startswith("jobsched.")


class _RunHandler(logging.Handler):
    """Writes a handler's records to its run's log."""

    def __init__(self, current: Current) -> None:
        super().__init__()
        self._current = current
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        sink = self._current()
        if sink is not None and not _is_ours(record):
            try:
                sink.write("log", self.format(record) + "\n")
            except Exception:  # noqa: BLE001 - as logging's own handlers: a bad format string is reported, not raised
                self.handleError(record)
        elif logging.root.handlers == [self]:
            # With us the root has a handler, so logging no longer falls back on its own.
            _last_resort(record)


def _last_resort(record: logging.LogRecord) -> None:
    fallback = logging.lastResort
    if fallback is not None and record.levelno >= fallback.level:
        fallback.handle(record)


class _Outside(logging.Filter):
    """Lets through what no run said."""

    def __init__(self, current: Current) -> None:
        super().__init__()
        self._current = current

    def filter(self, record: logging.LogRecord) -> bool:
        return _is_ours(record) or self._current() is None
