"""Dispatcher: claims due runs for free threads, in batches, and hands them to the pool."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from jobsched.clock import Clock
from jobsched.errors import StoreError
from jobsched.handlers.cancel import CancelToken
from jobsched.model.run import Became, Claim, Created, RunState, Transition
from jobsched.model.state import Firing
from jobsched.observe.runlog import RunLog
from jobsched.runner.buffer import Buffer
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.options import Options
from jobsched.runner.pauses import NodePauses
from jobsched.runner.pool import Pool
from jobsched.runner.service import NotNowError, Service
from jobsched.store.faults import fault_point
from jobsched.store.port import ClaimWish, FireAhead, Store

#: A node that does not know a handler leaves its runs to others for so long.
_LEFT_TO_OTHERS = timedelta(seconds=60)
#: While claimed runs wait for a thread, how often it is looked whether they wait for slow handlers.
_LOOK_AT_WAITING = 0.05
#: So long at most what is fired waits for places that quick handlers are about to free.
_FOR_PLACES = 0.03
#: The same of what is written already: to write it anew would take longer.
_FOR_PLACES_OF_HELD = 0.1


#: Writes what has ended, and claims.
WriteBoth = Callable[[Sequence[Transition]], tuple[Mapping[int, Became], list[Claim]]]


class HeldFire(NamedTuple):
    """A fire that the store holds, and what the node wished for with it; None: nothing."""

    fire: FireAhead
    wish: ClaimWish | None


class Dispatcher(Service):
    """Wakes when a run becomes pending or a thread comes free."""

    name = "dispatcher"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        held: HeldRuns,
        pool: Pool,
        pauses: NodePauses,
        give_back: Callable[[Held], None],
        on_claimed: Callable[[Sequence[Claim]], None] = lambda _claims: None,
        write_with: Callable[[WriteBoth], list[Claim] | None] = lambda _write: None,
    ) -> None:
        """`write_with`: has what has ended here written along with a claim, and answers what that brought; None if nothing has."""
        super().__init__(clock)
        self._write_with = write_with
        self._on_claimed = on_claimed
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat, self._held, self._pool = heartbeat, held, pool
        self._pauses, self._give_back = pauses, give_back
        self.buffer = Buffer(options.threads)
        self._left_until: dict[str, float] = {}
        self._promising = threading.Lock()
        self._promised = 0  #: places for what is being fired or claimed here
        self._firing = 0  #: how many threads fire
        self._rung = False  #: something may wait in the store
        self._freed = threading.Event()
        self._caught_up = False  #: the last claim brought less than was asked for: nothing waits
        #: A claim is being made, and nothing else can be written meanwhile.
        self.is_claiming = False
        self._held_off = False  #: what is fired has kept a claim from being made, or as wide as it might be

    def wake(self) -> None:
        """Something may wait in the store."""
        self._rung = True
        super().wake()

    def thread_freed(self) -> None:
        """A run has ended here, and leaves few behind."""
        if not self._freed.is_set():
            self._freed.set()
        super().wake()

    def leave_to_others(self, handler: str) -> None:
        """Claim no run of a handler that this node cannot perform, for a while."""
        self._left_until[handler] = self.clock.monotonic() + _LEFT_TO_OTHERS.total_seconds()

    @property
    def lacking(self) -> tuple[str, ...]:
        """The handlers whose runs this node has left to others, now or a moment ago: before it tries again, it still lacks them."""
        return tuple(self._left_until)

    @property
    def will_claim(self) -> bool:
        """Whether it is about to claim more, in a burst, and takes along what has ended: where one would wait for the other."""
        return self._store.writes_in_turn and self.buffer.room > 0 and not self._caught_up

    @property
    def is_firing(self) -> bool:
        """Whether slots are being fired here, of which more are about to be performed."""
        return self._firing > 0

    def step(self) -> float | None:
        if self._pool.waiting:
            self._return_excess()
            self._return_paused()
        if not self._heartbeat.fit:
            raise NotNowError
        if self._is_left_to_firing():
            return _LOOK_AT_WAITING
        asked = self._promise(self._room_to_claim)
        try:
            claimed = self._claim(asked) if asked else 0
        finally:
            self._redeem(asked)
        if asked:
            self.buffer.claimed(claimed, asked)
            self._caught_up = claimed < asked
            if claimed == asked and self.buffer.room:
                return 0.0
        return _LOOK_AT_WAITING if self._pool.waiting else None

    def fire(self, firings: Sequence[Firing]) -> list[Created]:
        """Fire them; of what they make, this node claims in the same write what it has room for. Other threads call it.

        Only while nothing waits: what has waited longer comes first.
        """
        with self._promising:
            self._firing += 1
        try:
            self._await_places(len(firings))
            room = self._promise(lambda: self._room_to_fire(len(firings)))
            try:
                if not room:
                    return self._store.fire(firings)
                node, began = self._heartbeat.node, self.clock.monotonic()
                created, claims = self._store.fire_and_claim(firings, self._wish(node, room))
                self._begin(claims, node, began)
            finally:
                self._redeem(room)
            if len(claims) < len(created) and any(run.state is RunState.PENDING for run in created):
                self._caught_up = False  # it waits, or something else does
            return created
        finally:
            self._fired()

    def hold(self, firings: Sequence[Firing], at: datetime, *, first: bool) -> HeldFire | None:
        """As the store's `fire_ahead`, for this node. No place is promised: till then they are for what is due.

        Of the first ones of a slot it claims what there would be places for now; of others all, if quick handlers will soon have
        made room for them, or nothing.
        """
        if not self._heartbeat.fit:
            return None
        quick = self.buffer.room >= len(firings) and self._may_claim_fired
        room = len(firings) if quick else self._room_to_fire(len(firings)) if first else 0
        wish = self._wish(self._heartbeat.node, room) if room > 0 else None
        fire = self._store.fire_ahead(firings, wish, at)
        if fire is None:
            return None
        fault_point("fire_held")
        return HeldFire(fire, wish)

    def commit(self, held: HeldFire) -> list[Created] | None:
        """Let it be, and begin what it has claimed; None if it may not be, or the node would not wish for it now: drop it."""
        with self._promising:
            self._firing += 1
        try:
            created = self._commit(held.fire, held.wish)
            if created is not None and len(held.fire.claims) < len(created):
                self._caught_up = False
                self.wake()
            return created
        finally:
            self._fired()

    def _commit(self, fire: FireAhead, wish: ClaimWish | None) -> list[Created] | None:
        if wish is None or not fire.claims:
            return fire.commit() if self._heartbeat.fit else None
        count = len(fire.claims)
        self._await_places(count, _FOR_PLACES_OF_HELD)
        room = self._promise(lambda: self._room_to_fire(count))
        try:
            began = self.clock.monotonic()
            if room < count or not self._heartbeat.fit or self._wish(self._heartbeat.node, wish.limit) != wish:
                return None
            created = fire.commit()
            if created is not None:
                self._begin(fire.claims, wish.node, began)
            return created
        finally:
            self._redeem(room)

    def _fired(self) -> None:
        with self._promising:
            self._firing -= 1
            held_off, self._held_off = self._held_off, False
        if held_off or self._pool.load > self._pool.size:
            super().wake()  # a claim may be wider now; and what waits here is looked at by the step alone

    def _is_left_to_firing(self) -> bool:
        """Nothing waits in the store but what is being fired, which is claimed as it is."""
        with self._promising:
            left = self._firing > 0 and self._caught_up and not self._rung
            self._held_off = self._held_off or left
        return left

    def _await_places(self, count: int, longest: float = _FOR_PLACES) -> None:
        """A moment, where handlers are quick: to have what was fired claimed by itself would take longer."""
        if not self._may_claim_fired:
            return
        until = self.clock.monotonic() + longest
        while (room := self.buffer.room) >= count and not self.stopping:
            self._freed.clear()
            self._pool.low = self._pool.size + room - count
            left = until - self.clock.monotonic()
            if self._places >= count or left <= 0:
                return
            self.clock.wait(self._freed, left)

    @property
    def _may_claim_fired(self) -> bool:
        """Not where queues have shares: what is left of one is known only to who claims alone."""
        return self._caught_up and not self._options.queue_threads

    def _room_to_fire(self, most: int) -> int:
        return min(self._places, most) if self._may_claim_fired else 0

    @property
    def _places(self) -> int:
        """How many more may be held."""
        return self._pool.size + self.buffer.room - self._pool.load - self._promised

    def _room_to_claim(self) -> int:
        """The places that are promised to nobody."""
        self._held_off = self._promised > 0
        return self._room()

    def _promise(self, places: Callable[[], int]) -> int:
        """So many places are promised to who asks for them, until they are redeemed."""
        with self._promising:
            room = max(0, places())
            self._promised += room
        return room

    def _redeem(self, room: int) -> None:
        with self._promising:
            self._promised -= room

    def _room(self) -> int:
        """How many more to hold: none while more than half of what may be held beyond the threads waits here.

        Each claim costs a commit, however few it brings.
        """
        room, load = self.buffer.room, self._pool.load + self._promised
        self._pool.low = self._pool.size + room // 2
        return self._pool.size + room - load if load <= self._pool.low else 0

    def _return_excess(self) -> None:
        """Handlers have become slow: what this node had claimed ahead is for others too."""
        self.buffer.at_least(self._pool.stalled(self.clock.monotonic()))
        # What an idle thread is about to take is no excess.
        idle = max(0, self._pool.size - self._pool.active)
        for held in self._pool.take_waiting(keep=idle + self.buffer.bearable):
            self._give_back(held)

    def _return_paused(self) -> None:
        """What was claimed ahead of a queue that is paused now is not begun."""
        if not self._pauses.of_queues:
            return
        for held in self._pool.take_waiting_if(lambda held: self._pauses.holds(held.claim.namespace, held.claim.queue)):
            self._give_back(held)

    def _claim(self, asked: int) -> int:
        """How many it brought."""
        node, began = self._heartbeat.node, self.clock.monotonic()
        self._rung = False  # what rings from now on may have missed this claim
        self.is_claiming = self._store.writes_in_turn
        try:
            return self._begin(self._claimed(self._wish(node, asked)), node, began)
        except BaseException:
            self._rung = True  # what it was to bring still waits
            raise
        finally:
            self.is_claiming = False

    def _begin(self, claims: Sequence[Claim], node: int, began: float) -> int:
        """Hand them to the pool; how many. They were asked for at that moment (monotonic), as this node."""
        if not claims:
            return 0
        self._on_claimed(claims)
        clock = self.clock
        runs = [Held(claim, CancelToken(clock), RunLog(claim.id, claim.attempt, clock)) for claim in claims]
        self._held.add(runs)
        fault_point("after_claim")
        if self._too_late(node, began):
            for held in runs:
                self._give_back(held)
            return 0
        self._read_definitions(claims)
        self._pool.submit(runs)
        return len(runs)

    def _wish(self, node: int, limit: int) -> ClaimWish:
        return ClaimWish(
            node=node,
            generations=self._definitions.generations,
            limit=limit,
            queues=self._options.queues,
            without_handlers=self._left(),
            paused=self._pauses.of_queues,
            shares=self._shares(limit),
        )

    def _claimed(self, wish: ClaimWish) -> list[Claim]:
        """As the store claims them; in a burst what has ended meanwhile goes with it, where one would wait for the other."""
        if self._store.writes_in_turn and self.buffer.room:
            both = self._write_with(lambda ended: self._store.finish_and_claim(ended, wish))
            if both is not None:
                return both
        return self._store.claim(wish)

    def _shares(self, asked: int) -> dict[str, int]:
        """What is left of the queues' shares of this node's threads, where that is less than is asked for.

        Runs that wait here count too: none is claimed ahead of its share, so that it waits in the store, for any node.
        """
        threads = self._options.queue_threads
        if not threads:
            return {}
        held = self._pool.held_of(threads)
        left = {queue: max(0, most - held.get(queue, 0)) for queue, most in threads.items()}
        return {queue: free for queue, free in left.items() if free < asked}

    def _too_late(self, node: int, began: float) -> bool:
        """Whether the answer came when the runs may be others' already, or when nothing is to be begun any more."""
        took = self.clock.monotonic() - began
        lost = took > self._heartbeat.longest_claim or node != self._heartbeat.node
        return self.stopping or lost or not self._heartbeat.fit

    def _read_definitions(self, claims: Sequence[Claim]) -> None:
        """In one query, so that the threads need not; what fails here they try again, each for its own run."""
        wanted = [
            (claim.namespace, claim.job, claim.job_revision)
            for claim in claims
            if claim.job is not None and claim.job_revision is not None
        ]
        if wanted:
            with suppress(StoreError):
                self._definitions.load(wanted)

    def _left(self) -> tuple[str, ...]:
        if not self._left_until:
            return ()
        now, kept = self.clock.monotonic(), _LEFT_TO_OTHERS.total_seconds()
        left = self._left_until.copy()  # threads add to it meanwhile
        for handler in [handler for handler, until in left.items() if until + kept <= now]:
            self._left_until.pop(handler, None)
        return tuple(handler for handler, until in left.items() if until > now)
