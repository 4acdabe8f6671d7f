"""Calls with defaults, and a log that remembers."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pytest

from jobsched.clock import SystemClock
from jobsched.config.variables import resolve
from jobsched.handlers.call import Call, perform
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.registry import Registry
from jobsched.model.handler import CommandHandler, Handler, NotifyHandler, PythonHandler, ShellHandler


class Remembered:
    """A sink that remembers, and tells when a text has come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.written: list[tuple[str, str]] = []

    def write(self, stream: str, text: str) -> None:
        with self._changed:
            self.written.append((stream, text))
            self._changed.notify_all()

    def text(self, stream: str) -> str:
        with self._changed:
            return "".join(text for one, text in self.written if one == stream)

    def wait_for(self, text: str, stream: str = "stdout") -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.text(stream), 30), self.written


class Bench(Protocol):
    """Makes calls, and performs them."""

    log: Remembered
    cancel: CancelToken
    registry: Registry
    environ: dict[str, str]

    def call(self, handler: Handler | NotifyHandler, **fields: Any) -> Call: ...

    def perform(self, handler: Handler | NotifyHandler, **fields: Any) -> Any: ...

    def shell(self, script: str, **fields: Any) -> Any: ...

    def command(self, *argv: str, **fields: Any) -> Any: ...

    def python(self, function: Callable[..., Any], payload: Mapping[str, Any] | None = None, **fields: Any) -> Any: ...


class _Bench:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.log = Remembered()
        self.cancel = CancelToken(self.clock)
        self.registry = Registry()
        self.environ: dict[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SECRET": "s3cret"}

    def call(self, handler: Handler | NotifyHandler, **fields: Any) -> Call:
        defaults: dict[str, Any] = {
            "run_id": 7,
            "namespace": "default",
            "job": "nightly",
            "attempt": 1,
            "max_attempts": 3,
            "scheduled_at": None,
            "payload": {},
            "handler": handler,
            "timeout": None,
            "env": {},
            "cwd": None,
            "cancel": self.cancel,
            "log": self.log,
        }
        return Call(**defaults | fields)

    def perform(self, handler: Handler | NotifyHandler, **fields: Any) -> Any:
        return perform(self.call(handler, **fields), self.registry, resolve, self.clock, self.environ)

    def shell(self, script: str, **fields: Any) -> Any:
        return self.perform(ShellHandler(script), **fields)

    def command(self, *argv: str, **fields: Any) -> Any:
        return self.perform(CommandHandler(argv), **fields)

    def python(self, function: Callable[..., Any], payload: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        self.registry.handler("it")(function)
        return self.perform(PythonHandler("it"), payload=payload or {}, **fields)


@pytest.fixture
def bench() -> Bench:
    return _Bench()


@pytest.fixture
def in_thread() -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Starts it in a thread; the answer waits for its result, or raises what it raised."""

    def start(act: Callable[[], Any]) -> Callable[[], Any]:
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append((act(), None))
            except BaseException as raised:  # noqa: BLE001 - raised again where it is asked for
                outcome.append((None, raised))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def result() -> Any:
            thread.join(30)
            assert outcome, "it did not end"
            [(value, raised)] = outcome
            if raised is not None:
                raise raised
            return value

        return result

    return start
