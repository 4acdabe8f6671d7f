"""Heartbeat: this node's lease. A node that cannot renew it fences itself before others take its runs."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobsched._version import __version__
from jobsched.clock import Clock
from jobsched.errors import StoreLostError
from jobsched.handlers.guard import guard
from jobsched.model.run import OwnedRun
from jobsched.observe.events import NodeFenced, NodeRejoined
from jobsched.observe.listeners import Events
from jobsched.runner.held import HeldRuns
from jobsched.runner.node_clock import NodeClock
from jobsched.runner.options import Options
from jobsched.runner.service import Service
from jobsched.schedule.retry import given_back_owned
from jobsched.store.port import Store

log = logging.getLogger("jobsched")


class Heartbeat(Service):
    """Keeps `node` alive in the store, its clock corrected, and its owned runs equal to those it holds."""

    name = "heartbeat"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        namespaces: Sequence[str],
        held: HeldRuns,
        info: Callable[[], Mapping[str, Any]],
        on_fenced: Callable[[], None],
        on_lost: Callable[[StoreLostError], None],
        events: Events,
    ) -> None:
        super().__init__(clock)
        self._events = events
        self._store, self._options, self._held = store, options, held
        self._namespaces, self._info, self._on_fenced = namespaces, info, on_fenced
        self._on_lost = on_lost
        self.node = 0
        self.node_clock = NodeClock(store, clock)
        # A failed heartbeat is tried again soon: the pauses of a longer back-off would use up the lease themselves.
        self.longest_pause = min(1.0, options.lease.total_seconds() / 15)
        self._renewed = clock.monotonic()
        #: Seconds after which this node fences itself: two thirds of the lease.
        self.longest_silence = options.lease.total_seconds() * 2 / 3
        self._fenced = False
        self._fence_lock = threading.Lock()
        self._unheld: dict[tuple[int, int], float] = {}

    def register(self) -> None:
        """Become a node, with an id that was never used before."""
        self.node_clock.measure()
        began = self.clock.monotonic()
        self.node = self._store.register(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            namespaces=self._namespaces,
            lease=self._options.lease,
            info=self._info(),
        )
        self._renewed, self._fenced = began, False

    def now(self) -> datetime:
        """The instant by the store's clock, as far as this machine can tell."""
        return self.node_clock.now()

    @property
    def skew(self) -> timedelta:
        return self.node_clock.skew

    @property
    def fit(self) -> bool:
        """Whether the lease is fresh enough to claim and to work: two thirds of it have not passed."""
        return self.fit_at(self.clock.monotonic())

    def fit_at(self, now: float) -> bool:
        """`fit`, for who has just asked for the time (monotonic)."""
        return not self._fenced and now - self._renewed < self.longest_silence

    @property
    def silence(self) -> float:
        """Seconds since the heartbeat that last succeeded was sent."""
        return self.clock.monotonic() - self._renewed

    @property
    def longest_claim(self) -> float:
        """Seconds after which a claim counts as one whose answer was lost: its runs are given back, and not performed."""
        return self._options.lease.total_seconds() / 2

    def check_fence(self) -> None:
        """Fence this node if its heartbeats have not succeeded for two thirds of the lease."""
        with self._fence_lock:
            if self._fenced or self.fit:
                return
            self._fenced = True
        self._events.emit(NodeFenced(node=self.node))
        self._on_fenced()

    def step(self) -> float:
        # Before the store is asked: commands go on while it is away.
        guard.look_after()
        began = self.clock.monotonic()
        try:
            beat = self._store.heartbeat(self.node, self._info())
        except StoreLostError as error:
            self._on_lost(error)
            raise
        if beat.alive:
            # The lease counts from when we asked: the store cannot have renewed it earlier.
            self._renewed = began
            if self._fenced:
                log.info("node %d renewed its lease and goes on", self.node)
                self._fenced = False
        else:
            self._rejoin()
        self.node_clock.measure()
        self._release_unheld()
        return self._options.heartbeat.total_seconds()

    def _rejoin(self) -> None:
        """Declared dead while alive: others have our runs, so drop ours and go on under a new id."""
        old = self.node
        self._on_fenced()
        self.register()
        self._events.emit(NodeRejoined(node=self.node, was=old))

    def _release_unheld(self) -> None:
        """Give back runs that the store says are ours and that we do not hold: a claim whose answer was lost.

        Only what has been so for `longest_claim`: between two heartbeats, one of them out of turn, a claim may be under way.
        """
        owned = self._owned()
        # In this order: whatever is owned by now and will be performed is held after so long.
        now = self.clock.monotonic()
        unheld = set(owned) - self._held.fences()
        self._unheld = {fence: self._unheld.get(fence, now) for fence in unheld}
        self._release([owned[fence] for fence, since in self._unheld.items() if now - since >= self.longest_claim])

    def leave(self) -> None:
        """Be a node no longer. Nothing is begun here any more: what the store says is ours and is not held goes back at once."""
        owned = self._owned()
        self._release([owned[fence] for fence in set(owned) - self._held.fences()])
        self._store.leave(self.node)

    def _owned(self) -> dict[tuple[int, int], OwnedRun]:
        return {(run.id, run.claim_no): run for run in self._store.owned(self.node)}

    def _release(self, lost: Sequence[OwnedRun]) -> None:
        if lost:
            self._store.finish([given_back_owned(run) for run in lost])
            log.warning("gave back %d runs that were claimed without our knowing", len(lost))


class Fence(Service):
    """Sleeps until the heartbeats would have been silent for too long, and looks whether they have."""

    name = "fence"

    def __init__(self, clock: Clock, heartbeat: Heartbeat) -> None:
        super().__init__(clock)
        self._heartbeat = heartbeat

    def step(self) -> float:
        self._heartbeat.check_fence()
        rest = self._heartbeat.longest_silence - self._heartbeat.silence
        # Fenced already: once it beats again, it cannot be silent for too long before this has passed.
        return rest if rest > 0 else self._heartbeat.longest_silence
