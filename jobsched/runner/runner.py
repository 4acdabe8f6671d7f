"""Runner: one node. It puts the services together, starts them in order, and stops them without losing a run."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jobsched.client import Client
from jobsched.clock import Clock, SystemClock
from jobsched.errors import StoreError
from jobsched.handlers.call import current_log
from jobsched.handlers.cancel import CancelReason
from jobsched.handlers.guard import guard
from jobsched.handlers.registry import Registry, default_registry
from jobsched.model.instants import format_instant
from jobsched.model.run import RunState
from jobsched.model.state import DesiredState
from jobsched.observe.capture import Capture
from jobsched.runner.admission import Admission
from jobsched.runner.completer import Completer
from jobsched.runner.deadlines import Deadlines
from jobsched.runner.definitions import Definitions
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.executor import Executor
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.options import Options
from jobsched.runner.pool import Pool
from jobsched.runner.pruner import Pruner
from jobsched.runner.reload import Reload
from jobsched.runner.rescuer import Rescuer
from jobsched.runner.scheduler import Scheduler
from jobsched.runner.service import Service, Timer
from jobsched.runner.watcher import Watcher
from jobsched.schedule import retry
from jobsched.store.port import Doorbell, Topic

log = logging.getLogger("jobsched")

#: How long handlers get to obey after the grace of a shutdown is over.
_TO_OBEY = 1.0
_PRUNE_SECONDS = 300.0


class Runner:
    """A node that schedules and executes the runs of some namespaces.

        with Runner(client, threads=8): ...     # embedded: until the block is left

    `namespaces` (default: all that the store knows, or `default`) when there are no files; with `desired` and `paths`
    the files are applied at the start and watched.
    """

    def __init__(
        self,
        client: Client,
        *,
        threads: int | None = None,
        namespaces: Sequence[str] = (),
        options: Options | None = None,
        registry: Registry | None = None,
        desired: DesiredState | None = None,
        paths: Sequence[Path] = (),
        watch: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.client, self.options = client, _with_threads(options or Options(), threads)
        self.clock = clock or SystemClock()
        self._desired, self._ended = desired, threading.Event()
        self._store = client.store
        self._namespaces = _namespaces(client, namespaces, desired)
        self._registry = registry or default_registry
        self._capture = Capture(current_log.get)
        self._stop_lock = threading.Lock()
        self._stopped = self._hard = False
        self._doorbell: Doorbell | None = None
        self._due: set[int] = set()
        self._put_together(paths, watch=watch)

    def _put_together(self, paths: Sequence[Path], *, watch: bool) -> None:
        store, clock, options = self._store, self.clock, self.options
        self.held = HeldRuns()
        self.definitions = Definitions(store, self._namespaces)
        self.heartbeat = Heartbeat(
            store, clock, options, self._namespaces, self.held, self.info, lambda: self._cancel_all("fenced")
        )
        self.pool = Pool(options.threads, self._perform, self._thread_freed)
        self.dispatcher = Dispatcher(store, clock, options, self.definitions, self.heartbeat, self.held, self.pool)
        self.admission = Admission(store, clock, self.definitions, self.dispatcher.wake)
        self.completer = Completer(store, clock, self.held, self.admission.keys_freed)
        self.deadlines = Deadlines(clock, self._overdue)
        self.executor = Executor(
            clock,
            options,
            self._registry,
            self.definitions,
            self.heartbeat,
            self.deadlines,
            self.dispatcher,
            self.completer,
        )
        self.scheduler = Scheduler(store, clock, options, self.definitions, self.heartbeat, self.dispatcher.wake)
        rescue = Rescuer(store, self.definitions, self.dispatcher.wake, lambda _: self.admission.wake())
        beat = options.heartbeat.total_seconds()
        self.reload = Reload(store, self.heartbeat, paths, self._synced) if paths else None
        self.watcher = Watcher(clock, paths, self.reload) if self.reload and watch else None
        self._timers = [
            Timer("fence", clock, min(1.0, beat / 3), self.heartbeat.check_fence),
            Timer("rescuer", clock, beat, rescue),
            Timer("pruner", clock, _PRUNE_SECONDS, Pruner(store, self._namespaces)),
            Timer("generations", clock, beat, self._refresh),
        ]

    # -- life

    def start(self) -> None:
        """Register the node, apply the files if there are any, and start working. Raises SyncError, StoreError."""
        self.heartbeat.register()
        try:
            if self.reload is not None and self._desired is not None:
                self.reload.begin(self._desired)
            self.definitions.refresh()
        except BaseException:
            self._store.leave(self.heartbeat.node)
            raise
        if self.options.once:
            self._due = {run.id for run in self.scheduler.fire_all_due()} | self._waiting_ids()
        self._capture.install()
        self._registry.allowed = self.definitions.declares
        self._doorbell = self._store.listen(self._rung)
        self.pool.start()
        for service in self._services():
            service.start()
        log.info(
            "node %d runs %s with %d threads on %s",
            self.heartbeat.node,
            ", ".join(self._namespaces),
            self.options.threads,
            self._store.name,
            extra={"event": "node_started", "node": self.heartbeat.node},
        )

    def stop(self, *, hard: bool = False) -> None:
        """Ask the node to end; returns at once. `hard`: without grace. Safe to call from a signal handler's thread."""
        self._hard = self._hard or hard
        self._ended.set()
        if self._hard:
            self._cancel_all("shutdown")

    def wait(self) -> None:
        """Block until `stop` was asked for."""
        while not self.clock.wait(self._ended, None):
            pass

    def shut_down(self) -> bool:
        """Stop claiming, wait for handlers (`grace`), give back what did not end, leave; whether all was saved."""
        with self._stop_lock:
            if self._stopped:
                return True
            self._stopped = True
        self._ended.set()
        for service in self._services():
            if service not in (self.completer, self.heartbeat, self.deadlines):
                service.stop()
        self.dispatcher.join(5.0)
        for held in self.pool.take_waiting():
            self.completer.put(held, retry.given_back(held.claim))
        self._await_handlers()
        saved = self._save_last()
        self.pool.close()
        for service in self._services():
            service.stop()
            service.join(1.0)
        if self._doorbell is not None:
            self._doorbell.close()
        self._capture.uninstall()
        log.info(
            "node %d has stopped", self.heartbeat.node, extra={"event": "node_stopped", "node": self.heartbeat.node}
        )
        return saved

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut_down()

    def wait_until_idle(self) -> list[int]:
        """With `once`: wait for what was due at the start, with its retries; the ids of those runs that failed."""
        waiting = set(self._due)
        while waiting and not self._ended.is_set():
            waiting = self._store.unfinished(sorted(waiting))
            if waiting:
                self.clock.wait(self._ended, 0.1)
        return [id_ for id_ in sorted(self._due) if (run := self._store.run(id_)) and run.state is RunState.FAILED]

    def info(self) -> dict[str, Any]:
        """What the node tells the others of itself at each heartbeat."""
        told: dict[str, Any] = {
            "threads": self.options.threads,
            "running": self.pool.active,
            "abandoned_threads": self.pool.abandoned,
            "generations": self.definitions.generations,
            "skew_seconds": round(self.heartbeat.skew.total_seconds(), 3),
        }
        if self.options.queues is not None:
            told["queues"] = list(self.options.queues)
        if self.reload is not None:
            told["hash"], told["stale"] = self.reload.content_hash, self.reload.stale
            if self.reload.error and self.reload.error_since:
                told["error"], told["error_since"] = self.reload.error, format_instant(self.reload.error_since)
        return told

    # -- parts

    def _services(self) -> Iterable[Service]:
        yield from (self.completer, self.heartbeat, self.deadlines, self.admission, self.dispatcher, self.scheduler)
        yield from self._timers
        if self.watcher is not None:
            yield self.watcher

    def _perform(self, held: Held) -> None:
        self.executor.perform(held)

    def _thread_freed(self) -> None:
        self.dispatcher.thread_freed()

    def _rung(self, topic: Topic) -> None:
        if topic == "jobs":
            self._timers[-1].wake()
        else:
            self.dispatcher.wake()
        self.scheduler.wake()

    def _synced(self) -> None:
        self.definitions.refresh()
        self.scheduler.wake()

    def _refresh(self) -> None:
        self.definitions.refresh()
        self.scheduler.wake()

    def _cancel_all(self, reason: CancelReason) -> None:
        for held in self.held.all():
            held.cancel.cancel(reason)

    def _overdue(self, held: Held) -> None:
        transition = self.executor.overdue(held)
        held.abandoned = True
        if transition.state is not RunState.FAILED:
            # The retry waits until the thread has ended at last (or the node dies): two attempts never overlap.
            held.when_ended = transition
        if not self.pool.abandon(held):
            held.abandoned = False
            return
        log.error(
            "run %d of %s does not end: its thread is given up and replaced",
            held.claim.id,
            held.claim.job or held.claim.handler,
            extra={"event": "thread_abandoned", "run": held.claim.id, "job": held.claim.job},
        )
        if held.when_ended is None:
            self.completer.put(held, transition)

    def _waiting_ids(self) -> set[int]:
        return {
            run.id
            for namespace in self._namespaces
            for run in self.client.runs(
                namespace=namespace, states=(RunState.PENDING, RunState.BLOCKED, RunState.RUNNING), limit=100_000
            )
        }

    def _await_handlers(self) -> None:
        grace = 0.0 if self._hard else self.options.grace.total_seconds()
        if self.pool.active and grace:
            log.info(
                "node %d is stopping: it waits up to %g s for %d runs; a second signal ends it at once",
                self.heartbeat.node,
                grace,
                self.pool.active,
                extra={"event": "node_stopping", "node": self.heartbeat.node},
            )
        until = self.clock.monotonic() + grace
        while not self._hard and (rest := until - self.clock.monotonic()) > 0:
            if self.pool.wait_idle(min(rest, 0.2)):
                return
        self._cancel_all("shutdown")
        if not self.pool.wait_idle(_TO_OBEY):
            guard.kill_all()
            self.pool.wait_idle(_TO_OBEY)

    def _save_last(self) -> bool:
        """Write what has ended, give back what has not, and leave the nodes."""
        transitions = [retry.given_back(held.claim) for held in self.held.all() if held.started is not None]
        try:
            self.completer.flush()
            if transitions:
                self._store.finish(transitions)
                log.warning("%d runs did not end in time and were given back", len(transitions))
            self._store.leave(self.heartbeat.node)
        except StoreError as error:
            log.warning("could not save the last results, the lease will give the runs back: %s", error)
            return False
        return True


def _with_threads(options: Options, threads: int | None) -> Options:
    return options if threads is None else replace(options, threads=threads)


def _namespaces(client: Client, namespaces: Sequence[str], desired: DesiredState | None) -> tuple[str, ...]:
    if desired is not None:
        return (desired.namespace,)
    return tuple(namespaces) or tuple(client.store.namespaces()) or ("default",)
