"""Runner: one node. It puts the services together, starts them in order, and stops them without losing a run."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from jobsched.client import Client
from jobsched.clock import Clock, SystemClock
from jobsched.errors import StoreError, StoreLostError
from jobsched.handlers.call import current_log
from jobsched.handlers.cancel import CancelReason
from jobsched.handlers.middleware import Middleware
from jobsched.handlers.registry import Registry, default_registry
from jobsched.model.audit import Actor, Via
from jobsched.model.desired import DesiredState
from jobsched.model.instants import format_instant
from jobsched.model.names import is_name
from jobsched.model.run import Claim, RunState
from jobsched.observe.capture import Capture
from jobsched.observe.events import (
    Event,
    NodeStarted,
    NodeStopped,
    NodeStopping,
    NodeWornOut,
    ThreadAbandoned,
)
from jobsched.observe.listeners import Events
from jobsched.runner.admission import Admission
from jobsched.runner.ahead import Ahead
from jobsched.runner.alerts import AlertWatch, Refusal
from jobsched.runner.bell import Bell
from jobsched.runner.canceller import Canceller
from jobsched.runner.completer import Completer
from jobsched.runner.deadlines import Deadlines
from jobsched.runner.definitions import Definitions
from jobsched.runner.dispatcher import Dispatcher, WriteBoth
from jobsched.runner.endings import of_claim
from jobsched.runner.executor import Executor
from jobsched.runner.heartbeat import Fence, Heartbeat
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.known_handlers import KnownHandlers
from jobsched.runner.once import Once
from jobsched.runner.options import Options
from jobsched.runner.others import may_perform
from jobsched.runner.pauses import NodePauses
from jobsched.runner.poll import Poll
from jobsched.runner.pool import Pool
from jobsched.runner.pruner import Pruner
from jobsched.runner.reload import Reload
from jobsched.runner.rescuer import Rescuer
from jobsched.runner.scheduler import Scheduler
from jobsched.runner.service import Service, Timer
from jobsched.runner.shutdown import Shutdown
from jobsched.runner.signature import Signature
from jobsched.runner.watcher import Watcher
from jobsched.store.port import Doorbell, Topic
from jobsched.who import who

log = logging.getLogger("jobsched")

E = TypeVar("E", bound=Event)

_PRUNE_SECONDS = 5.0
#: One for all nodes of this process: what is printed has one way out.
_CAPTURE = Capture(current_log.get)


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
        queues: Sequence[str] | None = None,
        namespaces: Sequence[str] = (),
        options: Options | None = None,
        registry: Registry | None = None,
        desired: DesiredState | None = None,
        paths: Sequence[Path] = (),
        seen: Signature | None = None,
        refused: str | None = None,
        watch: bool = True,
        vet: Callable[[DesiredState], Sequence[str]] = lambda _: (),
        clock: Clock | None = None,
    ) -> None:
        """`threads`: handlers at once. `queues`: those that it serves; default: all. `options`: what else a node is told.

        `seen`: what `signature(paths)` was before `desired` was read, so that no edit is missed in between.

        `vet`: why a changed state, valid as it is, is not to be applied all the same; empty if it is.
        `refused`: why the files at `paths` are not valid; then the stored state runs until they are.
        """
        given: object = client  # what a type checker would not let pass
        if not isinstance(given, Client):
            raise TypeError(f"a Runner is given a Client, not {given!r:.80}: Runner(Client(URL))")
        self.client, self.options = client, _told(options or Options(), threads, queues)
        self.clock = clock or SystemClock()
        self._desired, self._ended = desired, Bell()
        self._store = client.store
        self._namespaces = _namespaces(client, namespaces, desired)
        self._refused_start, self._registry = refused, registry or default_registry
        self._stop_lock = threading.Lock()
        self._stopped = self._hard = self.worn_out = False
        self._doorbell: Doorbell | None = None
        self.events = Events()
        self._put_together(self._registry)
        self.reload = Reload(self._store, self.heartbeat, paths, self._synced, self.events, vet) if paths else None
        # Without watching it waits for SIGHUP.
        self.watcher = Watcher(self.clock, paths, self.reload, seen, follows=watch) if self.reload else None

    def _put_together(self, registry: Registry) -> None:
        """In the order of their use; what calls back reaches the later ones through the node."""
        pruner = Pruner(self._store, self.clock, self._namespaces)
        self._make_owning(registry)
        self._make_claiming()
        self._make_performing(registry, pruner)
        self._make_upkeep(pruner)

    def _make_owning(self, registry: Registry) -> None:
        """What the node is, knows and holds."""
        self.held = HeldRuns(self._first_held)
        self._known_handlers = KnownHandlers(self.clock, registry, self.events)
        self.definitions = Definitions(self._store, self._namespaces)
        self.heartbeat = Heartbeat(
            self._store,
            self.clock,
            self.options,
            self._namespaces,
            self.held,
            self.info,
            lambda: self._cancel_all("fenced"),
            self._store_lost,
            self.events,
        )
        self._fence = Fence(self.clock, self.heartbeat)

    def _make_claiming(self) -> None:
        """From the store to a thread."""
        store, clock, options = self._store, self.clock, self.options
        self.pool = Pool(options.threads, self._perform, self._thread_freed)
        self.pauses = NodePauses(store, clock, self._namespaces, self.heartbeat, self._pauses_changed, self.events)
        self.dispatcher = Dispatcher(
            store,
            clock,
            options,
            self.definitions,
            self.heartbeat,
            self.held,
            self.pool,
            self.pauses,
            self._give_back,
            self._claimed,
            self._written_with,
        )
        self.admission = Admission(store, clock, options, self.definitions, self.heartbeat, self.dispatcher.wake)

    def _make_performing(self, registry: Registry, pruner: Pruner) -> None:
        """From a thread back to the store, or to an end without it."""
        clock = self.clock
        self.alerts = AlertWatch(self._store, clock, self.definitions, self.heartbeat, self._refusal)
        self.completer = Completer(
            self._store,
            clock,
            self.held,
            self.admission.places_freed,
            pruner.touch,
            self.events,
            more_to_come=lambda: self.pool.waiting > 0 or self.dispatcher.will_claim,
            is_claiming=lambda: self.dispatcher.is_claiming,
            is_firing=lambda: self.dispatcher.is_firing,
            on_alerts=self.alerts.wake,
        )
        self.deadlines = Deadlines(clock, self._overdue)
        self.executor = Executor(
            clock,
            self.options,
            registry,
            self.definitions,
            self.heartbeat,
            self.deadlines,
            self.dispatcher,
            self.completer,
            self.admission.thread_ended,
            self._may_others_perform,
            self.events,
            self._client_of,
            self.alerts.begins,
        )
        self._shutdown = Shutdown(
            clock, self.pool, self.held, self.completer, self._give_back, lambda: self._hard, self._say_stopping
        )

    def _client_of(self, claim: Claim) -> Client:
        """On record is which run has acted, not the node's program."""
        actor = Actor(by=who(), via=Via.PYTHON, program=f"run {claim.id}")
        return Client(self._store, namespace=claim.namespace, actor=actor)

    def _make_upkeep(self, pruner: Pruner) -> None:
        """What comes round by itself: slots, rescue, pruning, what others ask for."""
        store, clock, options = self._store, self.clock, self.options
        beat = options.heartbeat.total_seconds()
        self.scheduler = Scheduler(
            store,
            clock,
            options,
            self.definitions,
            self.heartbeat,
            self.dispatcher.fire,
            Ahead(clock, self.heartbeat.now, self.dispatcher) if store.fires_ahead else None,
            self.dispatcher.wake,
            pruner.touch,
            self.events,
        )
        self._poll = Poll(
            store,
            clock,
            options,
            self.definitions,
            self.heartbeat,
            self.scheduler,
            self.dispatcher,
            self.pauses,
        )
        rescue = Rescuer(store, self.heartbeat, self.dispatcher.wake, self.admission.sweep, self.events)
        self._rescuer = Timer("rescuer", clock, beat, rescue)
        self._once = Once(store, clock, self.pauses)
        self._canceller = Canceller(
            store, clock, self.heartbeat, self.held, min(options.heartbeat, options.poll), self.events
        )
        self._pruner = Timer("pruner", clock, _PRUNE_SECONDS, pruner, at_once=options.once)
        self._generations = Timer("generations", clock, beat, self._refresh)

    # -- life

    def start(self, before_work: Callable[[], object] = lambda: None) -> None:
        """Register the node, apply the files if there are any, and start working. Raises StoreError; then nothing runs, and it
        may be tried again.

        `before_work`: called when all that the node keeps has been read, before anything is performed.
        """
        self.heartbeat.register()
        with ExitStack() as undo:
            undo.callback(self._store.leave, self.heartbeat.node)
            if self.reload is not None and self._desired is not None:
                self._begin(self.reload, self._desired)
            self.definitions.refresh()
            self.pauses.begin()
            if self.options.once:
                fired = self.scheduler.fire_all_due()
                self._once.begin((run.id for run in fired), self._namespaces, self.options.queues)
            else:
                self.scheduler.read_what_is_due_soon()
            self._doorbell = self._store.listen(self._rung)
            undo.pop_all()
        self._desired = None  # it is in the store: a node does not hold thousands of jobs twice
        before_work()
        _CAPTURE.install()
        self.pool.start()
        for service in self._services():
            service.start()
        self.events.emit(
            NodeStarted(
                node=self.heartbeat.node,
                namespaces=self._namespaces,
                threads=self.options.threads,
                database=self._store.name,
            )
        )

    def on(self, kind: type[E], listener: Callable[[E], object]) -> Callable[[], None]:
        """Call `listener` with each event of this class (see `jobsched.observe.events`); the answer forgets it again.

        Listeners are called one after the other on a thread of their own: one that raises is logged, one that blocks keeps
        the others waiting, and neither harms a run. When 10,000 events wait, the next are not heard.
        """
        return self.events.on(kind, listener)

    def use(self, middleware: Middleware) -> None:
        """Call `middleware(call, perform)` for each attempt that begins from now on, of whatever handler, in its thread.

        It calls `perform()`, once, and returns what that returns. What it raises the attempt has raised. The first that
        is used is the outermost.
        """
        self.executor.middlewares.append(middleware)

    def stop(self, *, hard: bool = False) -> None:
        """Ask the node to end; `hard`: without grace. Only sets flags, so a signal handler may call it."""
        self._hard = self._hard or hard
        self._ended.set()

    def wait(self) -> None:
        """Block until `stop` was asked for, or the node cannot go on: `worn_out`, or without its store."""
        while not self.clock.wait(self._ended, None):
            pass

    def shut_down(self) -> bool:
        """Stop claiming, wait for handlers (`grace`), give back what did not end, leave; whether all was saved."""
        with self._stop_lock:
            if self._stopped:
                return True
            self._stopped = True
        self._ended.set()
        # What keeps the lease and the deadlines of running handlers goes on until they have ended.
        keeping = (self.completer, self.heartbeat, self.deadlines, self._fence, self.admission, self._canceller)
        for service in self._services():
            if service not in keeping:
                service.stop()
        for held in self.pool.take_waiting():
            self._give_back(held)
        until = self.clock.monotonic() + (0.0 if self._hard else self.options.grace.total_seconds())
        self._shutdown.await_handlers(self.options.grace.total_seconds())
        claiming_ended = self.scheduler.join(5.0) and self.dispatcher.join(5.0)
        # A heartbeat after we have left would make a new node of us.
        for service in (self.heartbeat, self._fence):
            service.stop()
            service.join(5.0)
        saved = self._shutdown.save(self.heartbeat.leave, until) and claiming_ended
        self.pool.close()
        for service in self._services():
            service.stop()
            service.join(1.0)
        if self._doorbell is not None:
            self._doorbell.close()
        _CAPTURE.uninstall()
        self.events.emit(NodeStopped(node=self.heartbeat.node))
        self.events.close()
        return saved

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut_down()

    def wait_until_idle(self) -> list[int]:
        """With `once`: wait for what was due at the start, with its retries and `on_failure` runs; the ids of those that failed."""
        return self._once.wait(self._ended)

    @property
    def turning(self) -> bool:
        """Whether its loops turn: all are there, and the heartbeat's came round within a lease. The store may be away."""
        if self._stopped:
            return True
        turned_at = self.heartbeat.turned_at
        turns = turned_at is None or self.clock.monotonic() - turned_at < self.options.lease.total_seconds()
        return turns and all(service.alive for service in self._services())

    def info(self) -> dict[str, Any]:
        """What the node tells the others of itself at each heartbeat."""
        told: dict[str, Any] = {
            "threads": self.options.threads,
            "running": self.pool.active,
            "abandoned_threads": self.pool.abandoned,
            "generations": self.definitions.generations,
            "skew_seconds": round(self.heartbeat.skew.total_seconds(), 3),
        }
        lacking = self._known_handlers.unknown.union(self.dispatcher.lacking)
        if unknown := sorted(name for name in lacking if not self._registry.knows(name)):
            told["unknown_handlers"] = unknown
        if self.options.queues is not None:
            told["queues"] = list(self.options.queues)
        if self.reload is not None:
            told["hash"], told["stale"] = self.reload.content_hash, self.reload.stale
            if self.reload.error and self.reload.error_since:
                told["error"], told["error_since"] = self.reload.error, format_instant(self.reload.error_since)
        return told

    # -- parts

    def _services(self) -> Iterable[Service]:
        yield from (self.completer, self.heartbeat, self._fence, self.deadlines, self.admission)
        yield from (self._canceller, self.scheduler, self._rescuer, self._pruner, self._generations)
        yield from (self.pauses, self._poll, self.alerts)
        if self.options.performs:
            yield from (self.dispatcher, self._known_handlers)
        if self.watcher is not None:
            yield self.watcher

    def _perform(self, held: Held) -> None:
        self.executor.perform(held)

    def _give_back(self, held: Held) -> None:
        self.executor.give_back(held)

    def _first_held(self) -> None:
        self.completer.first_held()
        self._canceller.first_held()

    def _claimed(self, claims: Sequence[Claim]) -> None:
        self.admission.claimed(claims)

    def _written_with(self, write: WriteBoth) -> list[Claim] | None:
        return self.completer.written_with(write)

    def _thread_freed(self) -> None:
        self.dispatcher.thread_freed()

    def _rung(self, topic: Topic) -> None:
        if topic == "cancels":
            self._canceller.told()
            return
        if topic == "jobs":
            self._generations.wake()
            self.pauses.wake()
        else:
            self.dispatcher.wake()
            self.admission.rung()
            if topic == "pending":  # the scheduler would ask the store, beside the claim, for what nobody has changed
                return
        self.scheduler.wake()

    def _pauses_changed(self) -> None:
        self.dispatcher.wake()
        self.scheduler.wake()

    def _begin(self, reload: Reload, desired: DesiredState) -> None:
        if self._refused_start is None:
            reload.begin(desired)
        else:
            reload.refuse(self._refused_start)

    def _synced(self, desired: DesiredState) -> None:
        self.definitions.refresh()
        self._known_handlers.check(desired)
        self.alerts.noticed()
        self.scheduler.wake()

    def _refresh(self) -> None:
        self._known_handlers.say_if_slow()
        self.definitions.refresh()
        self.alerts.noticed()
        for namespace in self._namespaces if self.reload is not None else ():
            newest = self.definitions.newest(namespace)
            if newest is not None and self.reload is not None:
                self.reload.notice(newest)

    def _refusal(self) -> Refusal | None:
        error, since = (self.reload.error, self.reload.error_since) if self.reload is not None else (None, None)
        return None if error is None or since is None else (error, since)

    def _may_others_perform(self, claim: Claim) -> bool:
        try:
            return may_perform(self._store.nodes(), claim)
        except StoreError:
            return True

    def _cancel_all(self, reason: CancelReason) -> None:
        for held in self.held.all():
            held.cancel.cancel(reason)

    def _say_stopping(self, running: int, grace: float) -> None:
        self.events.emit(NodeStopping(node=self.heartbeat.node, running=running, grace_seconds=grace))

    def _overdue(self, held: Held) -> None:
        """Give an attempt up that does not end: it fails, and its thread is replaced."""
        transition = self.executor.overdue(held)
        failed = transition.state is RunState.FAILED
        # A retry waits until the thread has ended at last (or the node dies): two attempts never overlap.
        if not held.settle(when_ended=None if failed else transition):
            return
        self.pool.abandon(held)
        self.events.emit(ThreadAbandoned(**of_claim(held.claim)))
        if failed:
            self.completer.put(held, transition._replace(abandoned=True))
        if self.pool.abandoned >= (self.options.max_abandoned or self.options.threads):
            self._wear_out()

    def _store_lost(self, error: StoreLostError) -> None:
        """Nothing can be saved here any more, and others will take the runs: end at once, to be started anew."""
        if self._hard:
            return
        log.error("this node ends, and has to be started anew: %s", error)
        self._cancel_all("fenced")
        self.stop(hard=True)

    def _wear_out(self) -> None:
        """Threads cannot be killed, so only a new process is rid of them: claim nothing more, and ask to be stopped."""
        if self.worn_out:
            return
        self.worn_out = True
        self.events.emit(NodeWornOut(node=self.heartbeat.node, abandoned=self.pool.abandoned))
        self.dispatcher.stop()
        self.stop()


def _told(options: Options, threads: int | None, queues: Sequence[str] | None) -> Options:
    """The options, with what is said beside them. Raises ValueError for what would be a node that does nothing."""
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ValueError(f"threads={threads!r} is no whole number from 1")
    if queues is not None and (isinstance(queues, str) or not queues or not all(map(is_name, queues))):
        raise ValueError(f"queues={queues!r:.80}: give a list of names of queues, or leave it out for all")
    return replace(
        options,
        threads=options.threads if threads is None else threads,
        queues=options.queues if queues is None else tuple(queues),
    )


def _namespaces(client: Client, namespaces: Sequence[str], desired: DesiredState | None) -> tuple[str, ...]:
    if desired is not None:
        return (desired.namespace,)
    return tuple(namespaces) or tuple(client.store.namespaces()) or ("default",)
