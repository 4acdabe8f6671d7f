"""Sandbox: a database of its own, a clock that a test moves, and a node that works when it is told to."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobsched.client import Client
from jobsched.client.closing import Closing
from jobsched.config.load import load
from jobsched.handlers.middleware import Middleware
from jobsched.handlers.registry import Registry, default_registry
from jobsched.model.durations import parse_duration
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.testing.clock import FakeClock, PassingClock
from jobsched.testing.inline import Inline
from jobsched.testing.runs import Runs, enqueued


class Sandbox(Closing):
    """For one test: the fixture `jobsched` of pytest, or a context manager.

    `client` is for the program under test. `clock` stands still until it is moved. `url` is the database's, an SQLite file
    in a temporary folder; whoever opens it anew goes by the machine's clock.
    """

    def __init__(self, *, registry: Registry | None = None) -> None:
        """`registry`: where handlers are found; default: where `@handler` registers them."""
        self.clock = FakeClock()
        self._registry = registry or default_registry
        self._use: list[Middleware] = []
        with ExitStack() as cleanup:
            folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="jobsched-", ignore_cleanup_errors=True))
            file = Path(folder) / "jobsched.db"
            file.write_bytes(_migrated())
            self.url = f"sqlite:///{quote(str(file))}"
            self._store = open_store(_careless(self.url), clock=self.clock)
            cleanup.callback(self._store.close)
            self._cleanup = cleanup.pop_all()
        # By the machine's clock it waits for what others are to do: with time standing still that would be for ever.
        self.client = Client(self._store)

    def close(self) -> None:
        """Forget it all."""
        self.client.close()
        self._cleanup.close()

    def load(self, *paths: Path | str) -> None:
        """Apply files, as `jobsched sync` does with --allow-delete; `client` is of their namespace from now on.

        As in a node, a module beside the first is found, and what `settings.imports` names is imported. Raises ConfigError.
        """
        files = [Path(path) for path in paths or ("jobs.yaml",)]
        desired = load(files)
        self._put_on_path(files[0] if files[0].is_dir() else files[0].parent)
        self._registry.imports(desired.settings.imports)
        sync(self._store, desired, applied_by="test", allow_delete=True)
        self.client.namespace = desired.namespace

    def use(self, middleware: Middleware) -> None:
        """As `runner.use`: middleware around each attempt from now on, the first outermost."""
        self._use.append(middleware)

    def enqueued(
        self, handler: str | Callable[..., Any] | None = None, *, job: str | None = None, queue: str | None = None
    ) -> Runs:
        """The runs that programs have made, by `enqueue` or `trigger`, oldest first, whatever became of them."""
        return enqueued(self.client, handler, job=job, queue=queue)

    def drain(self, *, raises: bool = True) -> Runs:
        """Perform what is due now, in this thread: see `jobsched.testing.drain`."""
        with self._node() as node:
            node.drain(raises=raises)
            return node.performed

    def run_for(self, time: timedelta | float | str, *, raises: bool = True) -> Runs:
        """Let time pass as with a node that runs all the while: each slot, retry and delayed run is performed at its instant."""
        until = self.clock.now() + _duration(time)
        with self._node() as node:
            node.drain(raises=raises)
            while (next_at := node.next_at()) is not None and next_at <= until:
                self._pass_until(next_at)
                node.drain(raises=raises)
            self._pass_until(until)
            node.drain(raises=raises)
            return node.performed

    def _pass_until(self, instant: datetime) -> None:
        self.clock.advance(max(instant - self.clock.now(), timedelta(0)))

    def _node(self) -> Inline:
        return Inline(self.client, PassingClock(self.clock), use=self._use, registry=self._registry)

    def _put_on_path(self, folder: Path) -> None:
        path = str(folder.resolve())
        if path not in sys.path:
            sys.path.insert(0, path)
            self._cleanup.callback(_take_off_path, path)


@cache
def _migrated() -> bytes:
    """An empty database: to copy it costs a hundredth of making it."""
    with tempfile.TemporaryDirectory(prefix="jobsched-") as folder:
        file = Path(folder) / "jobsched.db"
        store = open_store(_careless(f"sqlite:///{quote(str(file))}"))
        try:
            store.migrate()
        finally:
            store.close()
        return file.read_bytes()


def _careless(url: str) -> str:
    """Nothing here is to outlast a power cut."""
    return f"{url}?synchronous=normal"


def _duration(time: timedelta | float | str) -> timedelta:
    return time if isinstance(time, timedelta) else parse_duration(time)


def _take_off_path(path: str) -> None:
    with suppress(ValueError):
        sys.path.remove(path)
