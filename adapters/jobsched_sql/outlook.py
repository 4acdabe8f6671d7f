"""Outlook: the one question of an idle node."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from jobsched.model.run import RunState
from jobsched.store.port import Outlook
from jobsched_sql import due_runs, pausing, slots
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import NAMESPACE, in_state, pauses, runs


def outlook(dialect: Dialect, namespaces: Sequence[str]) -> Outlook:
    """One small statement a namespace, each part of it answered by the first entry of an index."""
    instants: list[datetime] = []
    pending = paused = False
    for namespace in namespaces:
        row: Sequence[Any] = dialect.look(_OUTLOOK, {"namespace": namespace})
        *times, some_pending, some_paused = row
        instants += [instant.astimezone(UTC) for instant in times if instant is not None]
        pending, paused = pending or some_pending, paused or some_paused
    standing = dialect.read(lambda connection: tuple(pausing.standing(connection, namespaces))) if paused else ()
    return Outlook(min(instants, default=None), pending, standing)


# Put together once: that takes longer than asking.
_OUTLOOK = select(
    slots.NEXT_DUE.scalar_subquery(),
    due_runs.NEXT_SCHEDULED,
    due_runs.NEXT_TO_START,
    select(runs.c.id).where(in_state(RunState.PENDING), runs.c.namespace == NAMESPACE).exists(),
    select(pauses.c.name).where(pauses.c.namespace == NAMESPACE).exists(),
)
