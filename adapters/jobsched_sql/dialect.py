"""What the shared store asks of an adapter: transactions, the clock, and the statements that only its database makes fast or correct."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam

from jobsched.clock import Clock
from jobsched.model.figures import Sizes
from jobsched.model.health import FileFacts, ServerFacts
from jobsched.model.run import Became, Claim, LogLine, NewRun, Reason, RunState, Transition
from jobsched.model.state import Firing, JobWrite
from jobsched.store.port import ClaimWish, Doorbell, FireAhead, Topic
from jobsched_sql.types import Instant

Result = TypeVar("Result")
Work = Callable[[Connection], Result]
#: (namespace, queue) of those to claim of, at least one; None: all queues of the namespaces, and none has a share.
Served = Sequence[tuple[str, str]] | None


class Key(NamedTuple):
    """A concurrency key of a namespace; sorted, the order in which they are locked."""

    namespace: str
    key: str


class Queue(NamedTuple):
    """A queue of a namespace; sorted, the order in which limited ones are locked, after keys."""

    namespace: str
    queue: str


class Placed(NamedTuple):
    """A run to be inserted. `state` None: scheduled or pending, as the database's clock says."""

    run: NewRun
    state: RunState | None
    reason: Reason | None = None


class Inserted(NamedTuple):
    """What the database made of a placed run."""

    id: int
    state: RunState


class Fired(NamedTuple):
    """The firings whose cursors were moved, and of each what became of its run; None: that is still to be inserted."""

    moved: Sequence[Firing]
    inserted: Sequence[Inserted | None]
    claims: Sequence[Claim] = ()  #: of those that were claimed as they were inserted


class InsertedAlone(NamedTuple):
    """What became of runs that needed nobody's leave, in their order. `rung`: other processes have been told."""

    ids: Sequence[int]
    states: Sequence[RunState]
    rung: bool


class KeyToAdmit(NamedTuple):
    """A key, and the one of its namespace whose limit holds for it, if that is another: see `declared_for`."""

    namespace: str
    key: str
    reference: str | None


class AdmittedAlone(NamedTuple):
    """How many runs were let in, and the keys that somebody else held: to be waited for."""

    runs: int
    left: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """What a key carries now, each number counted no further than was asked."""

    holders: int  #: pending, running, and abandoned threads
    blocked: int
    retrying: int  #: scheduled, but unfinished all the same: a retry, or a slot with jitter


class Dialect(ABC):
    """One database. Its four ways to run `work` translate errors, and none leaves a transaction open."""

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock

    # -- the database as a whole

    @property
    @abstractmethod
    def name(self) -> str:
        """The URL for people, without password."""

    #: What SQLAlchemy calls this database.
    sql_name: ClassVar[str]
    #: The newest `:count` runs of each of `:jobs` (JSON) in `:namespace`, without what may be large.
    recent_runs: ClassVar[str]
    #: Whether there is one lock for all that is written.
    writes_in_turn: ClassVar[bool] = False
    #: Whether `finish` lets in who waits for the keys that it frees, where no queue lets only so many in.
    admits_as_it_finishes: ClassVar[bool] = False
    #: Whether a transaction may be held open for a moment, in which others write.
    fires_ahead: ClassVar[bool] = False
    #: Statements that a new database needs before its schema.
    before_schema: ClassVar[str] = ""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def exists(self) -> bool:
        """False where asking for the schema would create the database."""

    # -- transactions

    @abstractmethod
    def read(self, work: Work[Result]) -> Result:
        """Statements that each see the newest state."""

    def look(self, statement: Select[*tuple[Any, ...]], asked: Mapping[str, str]) -> Sequence[Any]:
        """The one row that answers a small question, which is asked again and again. Instants are aware, in any zone."""
        return self.read(lambda connection: connection.execute(statement, asked).one())

    @abstractmethod
    def snapshot(self, work: Work[Result]) -> Result:
        """Statements that all see one state."""

    @abstractmethod
    def write(self, work: Work[Result]) -> Result:
        """One transaction, made again from the start when it lost a deadlock: `work` must have no other effects."""

    def write_fired(self, work: Work[Result]) -> Result:
        """`write`, of what begins with `fire`: it may begin the transaction itself, and save a way there and back."""
        return self.write(work)

    @abstractmethod
    def write_once(self, work: Work[Result]) -> Result:
        """One statement that commits by itself, where that is cheaper than a transaction."""

    @abstractmethod
    def within(self, given: object, work: Work[Result]) -> Result:
        """Statements in the transaction of the caller's own connection, which commits it, or not. Raises EnqueueError if it is none."""

    @abstractmethod
    def migration(self, work: Work[None]) -> None:
        """One transaction that holds the lock of migrations and may take long; makes the database if it may."""

    # -- the clock

    def given_now(self) -> datetime | None:
        """The instant of the clock that was given; None where the database's own decides."""
        return None if self._clock is None else self._clock.now()

    @abstractmethod
    def now(self, connection: Connection) -> datetime:
        """The store's instant."""

    @abstractmethod
    def now_expression(self) -> ColumnElement[datetime]:
        """The store's instant inside a statement."""

    def _given_now_expression(self, clock: Clock) -> ColumnElement[datetime]:
        return bindparam("store_now", callable_=clock.now, type_=Instant)

    @abstractmethod
    def lease_end(self) -> ColumnElement[datetime]:
        """When a row of `nodes` loses its lease, unless it beats before."""

    # -- runs and keys

    @abstractmethod
    def insert(self, connection: Connection, placed: Sequence[Placed]) -> list[Inserted | None]:
        """Insert in order; None where a unique rule was in the way. What would be pending is blocked if its queue has a limit
        or a rate.
        """

    @abstractmethod
    def insert_alone(self, runs: Sequence[NewRun], *, however_many: bool) -> InsertedAlone:
        """`insert` in a transaction of its own, by the driver itself: for one run SQLAlchemy costs more than the database.

        At least one run; all are of one queue, none is to be skipped, and none has a key, a unique key or a slot, so that
        nothing can keep it out. Without `however_many` none is inserted if that queue has a `max_queued`: somebody has to count.
        """

    @abstractmethod
    def slots_taken(self, connection: Connection, runs: Sequence[NewRun]) -> set[tuple[str, str, datetime]]:
        """(namespace, job, scheduled_at) of those of these slots that have a row."""

    @abstractmethod
    def add_keys(self, connection: Connection, limits: Mapping[Key, int], *, replace: bool) -> None:
        """Make rows of keys; those that are there get the limit only with `replace`."""

    @abstractmethod
    def wait_briefly(self, connection: Connection) -> None:
        """From now on this transaction waits for what others hold but for a moment, and is rolled back then."""

    @abstractmethod
    def lock_keys(self, connection: Connection, keys: Sequence[Key], *, patient: bool = True) -> dict[Key, int]:
        """Hold these keys until the transaction ends, and read their limits. Counting comes after, in a statement of its own.

        Those that somebody else holds are left out, unless `patient`: then they are waited for.
        """

    @abstractmethod
    def loads(self, connection: Connection, keys: Collection[Key], enough: int) -> dict[Key, Load]:
        """What these locked keys carry, each count stopping at `enough`."""

    @abstractmethod
    def unblock(self, connection: Connection, places: Mapping[Key, int]) -> int:
        """The oldest blocked runs of each key, as many as it has places, become pending."""

    @abstractmethod
    def admit_alone(self, keys: Sequence[KeyToAdmit]) -> AdmittedAlone | None:
        """Blocked runs of these keys become pending while there are places, in a transaction of its own, by the driver itself.

        Only of keys that nobody else holds. None, and nothing is done, where a queue of these namespaces lets only so many in:
        somebody has to count.
        """

    # -- slots and jobs

    @abstractmethod
    def prepared(self, firing: Firing) -> object:
        """What can be made of it before it is fired; nothing is asked of the database."""

    @abstractmethod
    def fire(
        self,
        connection: Connection,
        firings: Sequence[Firing],
        wish: ClaimWish | None = None,
        *,
        patient: bool = False,
    ) -> Fired:
        """Move the cursors of jobs that are still as seen and that nobody else is firing, and lock their keys, in order.

        Of these jobs the plain slots whose key is idle are inserted: see `plain_slots`. Of those, what `wish` asks for may be
        claimed: see `claimed_slots`. A job whose key somebody else holds is left out, unless `patient`: then it is waited for.
        """

    @abstractmethod
    def fire_ahead(self, firings: Sequence[Firing], wish: ClaimWish | None, at: datetime) -> FireAhead | None:
        """As the store does."""

    @abstractmethod
    def write_jobs(self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]) -> None:
        """Insert or replace jobs, cursors too."""

    @abstractmethod
    def write_definitions(
        self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]
    ) -> None:
        """Replace definitions of jobs that exist; cursors stay."""

    # -- work

    @abstractmethod
    def claim(self, wish: ClaimWish, served: Served) -> list[Claim]:
        """As wished for, of the queues that are served: what the wish says of queues and pauses has been heeded."""

    @abstractmethod
    def finish(
        self, transitions: Sequence[Transition], then: Callable[[Connection, AbstractSet[int]], None] | None = None
    ) -> dict[int, Became]:
        """What became of those still owned; `then` is called with their ids in the same transaction."""

    def finish_and_claim(
        self, transitions: Sequence[Transition], wish: ClaimWish, served: Served
    ) -> tuple[dict[int, Became], list[Claim]]:
        """Both, one after the other; transitions that make no work, and that nothing is to follow."""
        return self.finish(transitions), self.claim(wish, served)

    # -- the rest

    @abstractmethod
    def insert_unless_known(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows, leaving those whose primary key is there already as they are; how many were inserted."""

    @abstractmethod
    def append_log(self, connection: Connection, lines: Sequence[LogLine]) -> None:
        """Insert lines of runs that exist, leaving those that are there already as they are."""

    @abstractmethod
    def tidy(self) -> None:
        """What this database wants now and then."""

    @abstractmethod
    def facts(self) -> ServerFacts | FileFacts:
        """What is worth knowing of this kind of database."""

    @abstractmethod
    def sizes(self, connection: Connection) -> Sizes:
        """How large the database is; asked every few seconds, so nothing is counted for it."""

    @abstractmethod
    def invalid(self, connection: Connection) -> tuple[str, ...]:
        """Indexes and rules of ours that are there, but not in force."""

    @abstractmethod
    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell: ...

    @abstractmethod
    def ring_within(self, connection: Connection, topic: Topic) -> None:
        """Tell other processes when this transaction commits, where the database can."""

    @abstractmethod
    def ring(self, topic: Topic) -> None:
        """Tell other processes; never raises, a hint only."""
