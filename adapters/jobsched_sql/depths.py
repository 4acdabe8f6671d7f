"""`max_queued` of queues: how many runs may wait in one before `enqueue` refuses more."""

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select, text

from jobsched.errors import QueueFull
from jobsched_sql.dialect import Queue
from jobsched_sql.tables import queues

#: A statement does not name more queues than that; then it asks for all.
_MOST_NAMES = 500
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
    for queue, most in _most(connection, counts, lock=lock):
        asked = {"namespace": queue.namespace, "queue": queue.queue, "enough": most + counts[queue]}
        waiting: int = connection.execute(_WAITING, asked).scalar_one()
        if waiting > most:
            raise QueueFull(queue.queue, waiting - counts[queue], most, counts[queue])


def _most(connection: Connection, wanted: Collection[Queue], *, lock: bool) -> list[tuple[Queue, int]]:
    """Those of these queues that have a `max_queued`, locked in the order of the whole store."""
    c = queues.c
    names = sorted({queue.queue for queue in wanted})
    statement = select(c.namespace, c.queue, c.max_queued).where(
        c.namespace.in_(sorted({queue.namespace for queue in wanted})), c.max_queued.is_not(None)
    )
    if len(names) <= _MOST_NAMES:
        statement = statement.where(c.queue.in_(names))
    statement = statement.order_by(c.namespace, c.queue)
    rows = connection.execute(statement.with_for_update() if lock else statement).fetchall()
    found = [(Queue(row.namespace, row.queue), row.max_queued) for row in rows]
    return [(queue, most) for queue, most in found if queue in wanted]
