"""Runs that `on_failure` asks for, made in the transaction in which a run fails for good: none is lost, none comes twice."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, bindparam, select, update

from jobsched.model.failure import failure_run
from jobsched.model.job import OnFailure
from jobsched.model.run import RunState, Transition
from jobsched_sql.dialect import Dialect
from jobsched_sql.insertion import insert_runs
from jobsched_sql.questions import run_of
from jobsched_sql.tables import in_state, runs

#: Called with the ids that were still owned, in the transaction that finished them.
AfterFinish = Callable[[Connection, AbstractSet[int]], None]


def after_finish(dialect: Dialect, transitions: Sequence[Transition]) -> AfterFinish | None:
    """What is to follow these transitions in their transaction; None, as for all successes, if nothing is."""
    wanted = {one.id: one.on_failure for one in transitions if one.on_failure is not None}
    if not wanted:
        return None
    return lambda connection, ours: _make(connection, dialect, {id_: wanted[id_] for id_ in wanted.keys() & ours})


def _make(connection: Connection, dialect: Dialect, wanted: Mapping[int, OnFailure]) -> None:
    # A retry may have become a failure, its job being gone, and a failure a cancelled run: the rows tell.
    statement = select(runs).where(runs.c.id.in_(sorted(wanted)), in_state(RunState.FAILED)).order_by(runs.c.id)
    failed = [run_of(row) for row in connection.execute(statement)]
    made = insert_runs(connection, dialect, [failure_run(run, wanted[run.id]) for run in failed])
    pairs = [{"made": one.id, "failed": run.id} for run, one in zip(failed, made, strict=True) if one is not None]
    if pairs:
        linked = update(runs).where(runs.c.id == bindparam("made")).values(failure_of=bindparam("failed"))
        connection.execute(linked, pairs)
