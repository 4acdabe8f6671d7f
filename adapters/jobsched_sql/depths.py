"""`max_queued` of queues: how many runs may wait in one before `enqueue` refuses more."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import Connection, select, text

from jobsched.errors import QueueFull
from jobsched_sql.dialect import Queue
from jobsched_sql.tables import queues

#: A state each, for the sake of the partial indexes; no further than is asked.
_WAITING = text("""
select count(*) from (
  select 1 from jobsched_runs r where r.state = 'pending' and r.namespace = :namespace and r.queue = :queue
  union all
  select 1 from jobsched_runs r where r.state = 'blocked' and r.namespace = :namespace and r.queue = :queue
  union all
  select 1 from jobsched_runs r where r.state = 'scheduled' and r.namespace = :namespace and r.queue = :queue
  limit :enough) waiting
""")


def check_room(connection: Connection, made: Iterable[Queue], *, lock: bool) -> None:
    """Raise QueueFull if more runs wait in one of these queues than may, among them those just made, each named once.

    They are counted after they were made, and with `lock` after the queue's row was had, in a statement of its own: of two
    transactions that make runs at once, the second counts those of the first.
    """
    counts = Counter(made)
    if not counts:
        return
    capped = [queue for queue, _ in _most(connection, {queue.namespace for queue in counts}) if queue in counts]
    for queue in capped:
        # Asked again: it may have changed before the lock was had.
        for _, most in _most(connection, [queue.namespace], queue.queue, lock=lock):
            asked = {"namespace": queue.namespace, "queue": queue.queue, "enough": most + counts[queue]}
            waiting: int = connection.execute(_WAITING, asked).scalar_one()
            if waiting > most:
                raise QueueFull(queue.queue, waiting - counts[queue], most, counts[queue])


def _most(
    connection: Connection, namespaces: Collection[str], name: str | None = None, *, lock: bool = False
) -> Iterator[tuple[Queue, int]]:
    """The queues that have a `max_queued`, in the order in which they are locked."""
    c = queues.c
    statement = select(c.namespace, c.queue, c.max_queued).where(
        c.namespace.in_(sorted(namespaces)), c.max_queued.is_not(None)
    )
    if name is not None:
        statement = statement.where(c.queue == name)
    statement = statement.order_by(c.namespace, c.queue)
    for row in connection.execute(statement.with_for_update() if lock else statement).fetchall():
        yield Queue(row.namespace, row.queue), row.max_queued
