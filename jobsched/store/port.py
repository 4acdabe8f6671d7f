"""The port: what a store means, each method one sentence. `jobsched.testing.store_contract` is the definition of a correct one.

All methods are thread-safe and commit before they return. Instants are aware and in UTC. Each may raise
StoreUnavailableError (worth trying again), OutcomeUnknownError (a commit whose answer was lost),
StoreBrokenError (until somebody mends it; StoreLostError: until the process ends) or StoreError (what was asked).
Every transition is idempotent: made again after a lost answer, it changes nothing and is not counted twice.
`act`, `acts`: what is recorded for the audit in the same transaction, if anything is done; acts on runs count those that
were not refused, and parts of one act, which have its `key`, add up in one row.
`once`: noted in the same transaction; MadeBeforeError, and nothing is made, if something was made under its key of late.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from jobsched.model.alert import Breach, NewBreach, Untold
from jobsched.model.audit import Act, AuditFilter, AuditRow
from jobsched.model.backfill import Refill, SlotRow
from jobsched.model.figures import JobFigures, Sizes
from jobsched.model.health import Inspection
from jobsched.model.job import History
from jobsched.model.once import MadeOnce, Once
from jobsched.model.overview import Flow, Outline, Place, Record
from jobsched.model.pause import Pause
from jobsched.model.queue import QueueLimits
from jobsched.model.run import (
    Answer,
    Became,
    Claim,
    Created,
    Glance,
    Lack,
    LogLine,
    NewRun,
    OwnedRun,
    Reason,
    Run,
    RunFilter,
    RunState,
    Transition,
)
from jobsched.model.sla import MissedSlot, SlaFacts
from jobsched.model.state import (
    ActualState,
    DueJob,
    Firing,
    Generation,
    Node,
    Resumption,
    SchemaStatus,
    StoredJob,
    SyncChange,
)


@dataclass(frozen=True, slots=True)
class Promoted:
    """`count` scheduled runs became pending or blocked, `missed` were skipped; `next_at` is when there is more to do (None: never)."""

    count: int
    next_at: datetime | None
    missed: tuple[Created, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the loops of a node would find, were they to look."""

    next_at: datetime | None  #: the earliest slot that no pause holds, scheduled run, or latest start of a waiting one
    pending: bool  #: whether any run is; what it may keep a node from claiming it is not asked
    pauses: tuple[Pause, ...]  #: all that stand, sorted by (namespace, scope, name)


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat brings back: the store's clock, and whether the node still has its lease."""

    now: datetime
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Finished runs to be deleted: of one job beyond its counts, or (`job` None) ad-hoc runs by age. Older than `max_age`: always."""

    namespace: str
    job: str | None
    history: History
    ad_hoc_ages: Mapping[RunState, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWish:
    """What a node asks for when it claims."""

    node: int
    #: Of these namespaces alone; the generation is the one that their runs are performed under.
    generations: Mapping[str, int | None]
    limit: int  #: at most so many runs
    queues: Sequence[str] | None = None  #: of these alone, in each of the namespaces; None: of all
    without_handlers: Sequence[str] = ()  #: none of these
    paused: Sequence[Pause] = ()  #: of no queue that one of them holds
    #: Of these queues at most so many runs each, over all namespaces.
    shares: Mapping[str, int] = field(default_factory=dict)


#: What a wake-up is about: `pending` (runs can be claimed), `runs` (of those that were made some may wait for their time),
#: `jobs` (a sync, a pause, a resumption), `cancels` (of running runs).
Topic = Literal["pending", "runs", "jobs", "cancels"]


class Doorbell(Protocol):
    """A listener for wake-ups of other processes. A missed ring costs latency, never correctness: polling stands behind it."""

    def close(self) -> None: ...


class FireAhead(Protocol):
    """A fire that is written, with its claims, and that nobody sees: it holds its jobs until it is committed, or dropped."""

    @property
    def firings(self) -> Sequence[Firing]:
        """What it fires, of all that was to be."""

    @property
    def claims(self) -> Sequence[Claim]:
        """What the node owns of that once it is committed."""

    def commit(self) -> list[Created] | None:
        """What was made; None, and nothing is, unless the slot has come and a fire would make just this now."""

    def drop(self) -> None:
        """Nothing is made, unless it was committed; never raises."""


class Store(Protocol):
    """A database that holds jobs, runs, nodes and generations."""

    @property
    def name(self) -> str:
        """The database for people: its URL without password."""

    @property
    def writes_in_turn(self) -> bool:
        """Whether whoever writes waits for whoever else does, whatever it is about: then two things are better written at once."""

    @property
    def admits_as_it_finishes(self) -> bool:
        """Whether `finish` mostly lets in at once who waits for a key that it frees, so that `admit` finds nothing left to do."""

    @property
    def fires_ahead(self) -> bool:
        """Whether `fire_ahead` is worth a try."""

    def close(self) -> None:
        """Give back all connections; idempotent."""

    def now(self) -> datetime:
        """The store's clock: the one that leases and due times are judged by."""

    # -- schema

    def schema(self) -> SchemaStatus:
        """The schema's version beside this program's; never changes or creates anything."""

    def migrate(self) -> None:
        """Bring the schema up to this program's version, under a lock, idempotently; SchemaError if it is newer."""

    def schema_script(self) -> str:
        """SQL that makes this program's schema in an empty database; the database itself is not asked."""

    # -- sync

    def actual(self, namespace: str) -> ActualState:
        """All jobs of a namespace, its pauses and its newest generation, in one snapshot."""

    def apply(self, change: SyncChange, *, act: Act | None = None, once: Once | None = None) -> Generation:
        """Write a whole sync in one transaction and number it; SyncConflictError if anything it saw has moved since."""

    def outlook(self, namespaces: Sequence[str]) -> Outlook:
        """Whether there is anything to do in these namespaces, and when there will be: all that an idle node asks."""

    # -- slots

    def next_due(self, namespaces: Sequence[str]) -> datetime | None:
        """The earliest next slot of all jobs of these namespaces that no pause holds."""

    def due(self, namespaces: Sequence[str], until: datetime, limit: int) -> list[DueJob]:
        """Jobs whose next slot is at or before `until`, the earliest first; none that a pause holds, be it over or not."""

    def prepare(self, firings: Sequence[Firing]) -> list[Firing]:
        """The same, each with what of `fire` can be done before its slots have come; nothing is asked or written."""

    def fire(self, firings: Sequence[Firing]) -> list[Created]:
        """Record slots and move cursors, for each job whose cursor and schedule are still those seen; the others insert nothing.

        A slot of a keyed job that finds no free place is blocked (`max_queued`) or skipped(overlap); a slot that
        has a row already gets none. One that `replaces` makes older unfinished runs of its key go: those that wait are
        cancelled(replaced), running ones are asked to stop, and it is blocked until there is a place. Of a job that a pause
        holds nothing is fired; nor, where it would have to be waited for, of one whose key is held by somebody at this moment.
        """

    def fire_and_claim(self, firings: Sequence[Firing], wish: ClaimWish) -> tuple[list[Created], list[Claim]]:
        """As `fire`; and of the new runs those may be claimed in the same write that `claim` would bring at this instant.

        None while others wait that it might bring before them. What is not claimed here waits as after `fire`.
        """

    def fire_ahead(self, firings: Sequence[Firing], wish: ClaimWish | None, at: datetime) -> FireAhead | None:
        """What `fire`, or with a wish `fire_and_claim`, would do with these at their slot, `at`, which is soon: to be committed then.

        Of those jobs whose runs would be pending or claimed. Others that fire them pass them over, who writes or counts them waits.
        None: it cannot be done ahead. It is rolled back by itself if nothing has become of it a second after the slot.
        """

    def slot_states(self, namespace: str, job: str, slots: Sequence[datetime]) -> list[SlotRow]:
        """What is recorded of just these slots, which are in order: their own rows, and those of ranges they lie in."""

    def backfill(self, refill: Refill, *, act: Act | None = None) -> list[Created] | None:
        """Skipped rows give way to runs of their slots; a slot that has got a row meanwhile makes none.

        None, and nothing is changed, if the job's schedule or one of those rows is no longer as it was seen.
        A backfilled slot waits for its key like a trigger.
        """

    # -- pauses

    def pauses(self, namespaces: Sequence[str]) -> list[Pause]:
        """All pauses, also those that are over and that nobody has ended, sorted by (namespace, scope, name)."""

    def pause(self, pauses: Sequence[Pause], *, acts: Sequence[Act] = ()) -> None:
        """Let these pauses stand; one that stood keeps its `since`, unless it was over, and gets the rest anew."""

    def resume(self, resumption: Resumption, *, acts: Sequence[Act] = ()) -> bool:
        """End pauses and make their firings, all or nothing; False if a pause seen, a cursor or a schedule has moved."""

    # -- runs, until they are claimed

    def enqueue(
        self,
        runs: Sequence[NewRun],
        connection: object = None,
        *,
        act: Act | None = None,
        once: Once | None = None,
    ) -> list[Created]:
        """Make runs, all or none, in the order given; a unique key that another run has makes none and returns that one.

        A run has its unique key while it is unfinished, and until its `unique_for` is over, counted from when it was made.
        `connection`: the caller's own to this database; then they exist exactly if its open transaction commits, and one
        that needs a place of a key or a queue is scheduled for now. Raises EnqueueError for what is no such connection.
        `on_conflict` says what else becomes of a run that waits under a unique key; UniqueKeyError if that was to be one.
        """

    def promote(self, namespaces: Sequence[str], limit: int) -> Promoted:
        """Scheduled runs whose time has come become pending, or blocked if they are keyed and find no free place.

        Waiting slots that were to start by now are skipped(misfire), unless they were claimed once; none is claimed after that instant.
        """

    def admit(self, namespaces: Sequence[str], keys: Sequence[str] | None = None, queues: Sequence[str] = ()) -> int:
        """Blocked runs of these keys and queues (`keys` None: of all) become pending while there is a place of both; how many.

        Never more than its limit hold a key, or a queue, at once; and never does a queue with a rate let in more than that,
        nor more than its `burst` ahead of a thread. Pending runs that a queue's lowered limit or rate has no place for are
        blocked again.
        """

    def next_places(self, namespaces: Sequence[str]) -> dict[str, datetime | None]:
        """Of queues with a rate in which runs are blocked: when it lets the next one in, which may have come already.

        None: once those that it has let in find a thread. Then, and at that instant, `admit` has something to do.
        """

    # -- runs, from a claim to what became of them

    def claim(self, wish: ClaimWish) -> list[Claim]:
        """Pending runs as wished for, by (priority, available_at, id), are now running and owned by the node.

        What is passed over keeps nothing behind it from being claimed. Nothing for a node whose lease has run out.
        """

    def finish(self, transitions: Sequence[Transition]) -> dict[int, Became]:
        """Move owned runs out of running; what became of those that were still owned, by their ids.

        A retry of a run whose job is gone becomes failed. One that was asked to stop is cancelled, for the reason it was
        asked for, instead of waiting again.
        What is failed now, and has an `on_failure`, makes that run in the same transaction: see `model/failure.py`.
        So are breaches noted that `alerts` asks for; and a success ends the final failures of its job.

        A run that ends as `abandoned` goes on holding its key and its queue: see `end_abandoned`. Who waits for a key that is
        freed becomes pending here, if the store `admits_as_it_finishes`, or by the next `admit`.
        """

    def finish_and_claim(
        self, transitions: Sequence[Transition], wish: ClaimWish
    ) -> tuple[dict[int, Became], list[Claim]]:
        """What `finish` and then `claim` would answer; in one transaction if writes are made in turn, and nothing keeps them apart.

        A node at work needs both again and again, and each commit waits for the disk. What is raised says nothing of whether the
        runs are finished: to be on the safe side they are finished again.
        """

    def end_abandoned(self, run_ids: Sequence[int], node: int) -> None:
        """The threads of these runs have ended at last: their places are free, and the next `admit` fills them."""

    def owned(self, node: int) -> list[OwnedRun]:
        """The running runs of a node."""

    # -- runs, by hand: all that can be done is, and the others say why not, in the order given

    def requeue(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        """Failed, cancelled and skipped runs are to run again: same id and slot, attempts granted afresh, errors kept.

        They become scheduled, pending or blocked as if they were new; a slot waits for its key like a trigger.
        """

    def cancel(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        """Waiting runs are cancelled(cancelled); running ones keep their state, and their nodes are asked to stop them.

        Whoever asks for another attempt of a run that was asked to stop ends it as cancelled(cancelled): see `finish`.
        """

    def reschedule(self, run_ids: Sequence[int], at: datetime, *, act: Act | None = None) -> list[Answer]:
        """Waiting runs are scheduled for `at`, and give their places to others; a time that has come is for `promote` to see."""

    def cancel_requests(self, node: int) -> Mapping[tuple[int, int], Reason]:
        """(id, claim_no) of the running runs of a node that it is asked to stop, and why: cancelled or replaced."""

    def delete(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        """Runs that are over are gone, with their logs, unless a thread still performs one; their slots are not fired again.

        One whose `unique_for` is not over stays: without it a second run of its key could be made.
        """

    # -- nodes

    def register(
        self, *, host: str, pid: int, version: str, namespaces: Sequence[str], lease: timedelta, info: Mapping[str, Any]
    ) -> int:
        """A new node with a fresh heartbeat; its id was never used before."""

    def heartbeat(self, node: int, info: Mapping[str, Any]) -> Beat:
        """Renew a node's lease, unless it has been declared dead."""

    def leave(self, node: int) -> None:
        """The node has ended in order, and its abandoned threads with it."""

    def bury(self) -> list[int]:
        """Declare dead the nodes whose lease has run out; also those declared dead earlier that still own running runs.

        The places that abandoned threads of dead nodes held are free.
        """

    def nodes(self) -> list[Node]:
        """All nodes that have not left, newest first."""

    # -- logs

    def append_log(self, lines: Sequence[LogLine]) -> None:
        """Keep lines of attempts; a line (run, attempt, seq) that is there already stays as it is."""

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        """Lines of a run in order (attempt, seq), strictly after that place."""

    def progress(self, run_ids: Sequence[int]) -> dict[int, LogLine]:
        """The newest line of the stream `progress` of each of these runs that has one."""

    def last_lines(
        self, run_id: int, *, attempt: int | None = None, before: tuple[int, int] | None = None, limit: int = 1000
    ) -> list[LogLine]:
        """The newest lines of a run before a place (attempt, seq), or of all; oldest first."""

    # -- what was done, and what is done once

    def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        """What was recorded of acts, newest first."""

    def made_once(self, namespace: str, key: str) -> MadeOnce | None:
        """What was made under an idempotency key of late."""

    def keep_answer(self, once: Once, answer: Any) -> Any:
        """Keep what is answered for what was made under a key; the answer that stands, which is the first one kept."""

    # -- alerts

    def note(self, breaches: Sequence[NewBreach]) -> int:
        """Breaches that have no row yet get one; how many. What merely happens is over at once."""

    def note_beginnings(self, fences: Sequence[tuple[int, int]]) -> int:
        """Of these attempts, by (id, claim_no), those of jobs that still run have begun, for their job's ping; how many.

        Never after the end of the attempt was noted, so that what is heard last is how things stand.
        """

    def end_breaches(self, ids: Sequence[int]) -> None:
        """These breaches are over, unless they were already."""

    def tell(self, untold: Sequence[Untold], runs: Sequence[NewRun]) -> bool:
        """These breaches are told, and the runs that tell of them are made; False, and nothing is, if any was told already.

        Nor if the unique key of a new run is that of one that runs. What is but a ping leaves no row.
        """

    def untold(self, namespaces: Sequence[str]) -> list[Untold]:
        """Breaches that nobody was told of, by namespace, job and kind."""

    def open_breaches(self, namespace: str) -> list[Breach]:
        """Breaches that are not over, the oldest first."""

    def watched_jobs(self, namespace: str) -> list[StoredJob]:
        """The jobs that have `alerts` or `ping`, sorted by name."""

    def missed(self, namespace: str, since: datetime) -> list[MissedSlot]:
        """What was skipped as misfire or coalesced since then, the newest first; at most 1,000."""

    def sla_facts(self, namespace: str, jobs: Sequence[str]) -> SlaFacts:
        """Of these jobs: slots that wait for their first attempt, attempts that run, the newest success of each."""

    # -- questions

    def namespaces(self) -> list[str]:
        """Namespaces that have a generation, sorted."""

    def generations(self, namespace: str, limit: int = 20) -> list[Generation]:
        """The newest syncs, newest first."""

    def queue_limits(self, namespace: str) -> dict[str, QueueLimits]:
        """What the last sync said of queues, of those that it said something of."""

    def jobs(self, namespace: str, names: Sequence[str] | None = None) -> list[StoredJob]:
        """Jobs by name (None: all), sorted by name; those that do not exist are left out."""

    def run(self, run_id: int) -> Run | None:
        """One run."""

    def lacks(self, run_id: int) -> list[Lack]:
        """What a blocked run waits for; nothing if it is about to be let in, nor of any other run."""

    def runs(self, wanted: RunFilter) -> list[Run]:
        """Runs, newest first."""

    def slot_rows(self, namespace: str, job: str, first: datetime | None, last: datetime, limit: int) -> list[Run]:
        """What is recorded of a job's slots from `first` (None: of all) to `last`, newest slot first.

        A row that covers a range is among them if any of the range is.
        """

    def last_runs(self, namespace: str) -> dict[str, Run]:
        """The newest run of each job that has one (skipped ones do not count)."""

    def recent_runs(self, namespace: str, jobs: Sequence[str], count: int) -> dict[str, list[Glance]]:
        """The newest `count` runs, newest first, of each of these jobs (some hundreds at most) that has one; skipped ones count."""

    def counts(self, namespaces: Sequence[str]) -> dict[tuple[str, RunState], int]:
        """How many unfinished runs there are by (queue, state); cheap enough to be polled."""

    def batch_counts(self, namespace: str, batch: str) -> dict[RunState, int]:
        """How many runs of a batch there are by state, those that were pruned left out; costs as much as the batch is large."""

    def is_batch_done(self, namespace: str, batch: str) -> bool:
        """Whether no run of a batch is unfinished; cheap enough to be polled, however large the batch is."""

    def oldest_pending(self, namespace: str) -> dict[str, datetime]:
        """When the pending run of each queue came due that has waited longest; reads as much as `counts` does."""

    def job_figures(self, namespace: str) -> list[JobFigures]:
        """How each job does, by name. A few steps down an index for each job: for every few seconds, not for each request."""

    def sizes(self) -> Sizes:
        """How large the database is, as far as it knows without counting."""

    def unfinished(self, run_ids: Sequence[int]) -> set[int]:
        """Which of these runs are not in a final state."""

    def outlines(self, namespace: str, after: int = 0, *, beyond: str = "", limit: int | None = None) -> list[Outline]:
        """Jobs that a later generation than `after` has written; of all, some tens of milliseconds a thousand.

        In the database's own order of names: `beyond`, the last name of a list that was cut at `limit`, continues it.
        """

    def job_names(self, namespace: str) -> list[str]:
        """The names of all jobs, sorted."""

    def failing_jobs(self, namespace: str) -> frozenset[str]:
        """Jobs whose newest run that succeeded or failed has failed. Looks at each job: for every some seconds, not for each request."""

    def flow(self, namespace: str, first: datetime, last: datetime, sample: int = 200) -> Flow:
        """What ended in [first, last), and how long the newest of those that succeeded had waited: `sample` of jobs, as many ad hoc."""

    def record(self, namespace: str, number: int) -> Record | None:
        """A generation with what it changed, as far as that is kept; None: there is none of this number."""

    def place(self, namespace: str, job: str) -> Place | None:
        """Where files declare a job; None: none does, or they were applied by a program that did not tell."""

    def inspect(self, namespace: str) -> Inspection:
        """Facts for `doctor`: about the database, and about what waits in this namespace. Counts all of that: not for polls."""

    # -- housekeeping

    def jobs_with_history(self, namespace: str) -> list[str]:
        """The names of jobs that have finished runs, sorted: those that there may be something to prune of."""

    def prune(self, retentions: Sequence[Retention], limit: int) -> int:
        """Delete finished runs (with their logs) that retention no longer keeps, at most about `limit`; how many.

        An abandoned one stays until its thread has ended, one with a `unique_for` until that is over.
        """

    def forget_changes(self, namespace: str) -> int:
        """Of its generations, forget what each job was before and after; of how many. That there was a change stays known."""

    def tidy(self) -> None:
        """What the database wants now and then: a WAL checkpoint on SQLite; the rows of long-dead nodes go, keys that
        nobody uses, pauses of jobs that are not declared, left no history and were paused long ago, and generations
        beyond the newest `GENERATIONS_KEPT`; beyond `SUMMARIES_KEPT` their summaries are emptied. Of the audit goes what
        is older than `AUDIT_KEPT`, and beyond the newest `AUDIT_MOST` rows; and idempotency keys whose time is over.
        """

    # -- wake-ups

    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell:
        """Call `on_ring` soon after work was committed: by another process, or by this store, and then at once.

        From a thread of the store's own, or of whoever committed; it must not block.
        """
