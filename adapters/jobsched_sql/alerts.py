"""Breaches: noted once, when an attempt ends or when a node finds one; told once, by runs made in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, delete, func, or_, select, update
from sqlalchemy.engine import Row

from jobsched.model.alert import NAMED, SLA_FIELDS, AlertKind, Breach, NewBreach, Untold
from jobsched.model.run import Created, NewRun, RunState, Source, Transition
from jobsched.model.sla import MissedSlot, RunningAttempt, SlaFacts, WaitingSlot
from jobsched.model.state import StoredJob
from jobsched_sql.dialect import Dialect
from jobsched_sql.failures import AfterFinish
from jobsched_sql.insertion import insert_runs
from jobsched_sql.sync import stored_job
from jobsched_sql.tables import MISSED, OPEN, UNTOLD, WAITING, alerts, in_state, jobs, runs

#: What lasts until something ends it; the rest is over as soon as it has happened.
_LASTING = frozenset({AlertKind.FINAL_FAILURE, AlertKind.SYNC_REFUSED, *SLA_FIELDS})
#: How long what is over is remembered, and whatever has lasted too long to be news.
_KEPT, _KEPT_OPEN = timedelta(days=7), timedelta(days=90)
_CHUNK = 500
_MOST = 1000


# -- when attempts end


def after_finish(dialect: Dialect, transitions: Sequence[Transition]) -> AfterFinish | None:
    """What is to be noted of these transitions in their transaction; None if nothing of any of them is."""
    wanted = {one.id: one for one in transitions if one.alerts}
    if not wanted:
        return None
    return lambda connection, ours: _note_ends(connection, dialect, {id_: wanted[id_] for id_ in wanted.keys() & ours})


def _note_ends(connection: Connection, dialect: Dialect, ended: Mapping[int, Transition]) -> None:
    c = runs.c
    rows = connection.execute(
        select(c.id, c.namespace, c.job, c.state, c.reason, c.attempt, c.error)
        .where(c.id.in_(sorted(ended)), c.job.is_not(None))
        .order_by(c.id)
    ).fetchall()
    # Successes first: of a batch that has both, what failed is what people must hear of.
    won = [row for row in rows if row.state == RunState.SUCCEEDED]
    recovered = _end_failures(connection, dialect, won)
    found = [
        _of_run(AlertKind.RECOVERY, row)
        for row in won
        if (row.namespace, row.job) in recovered and AlertKind.RECOVERY in ended[row.id].alerts
    ]
    pings = [_of_run(AlertKind.PING, row) for row in won if AlertKind.PING in ended[row.id].alerts]
    once = {(breach.namespace, breach.job): breach for breach in reversed(found)}
    failed = [_of_run(kind, row) for row in rows for kind in _failures(row, ended[row.id])]
    note(connection, dialect, [*once.values(), *pings, *failed], over=_open_failures(connection, failed))


def _failures(row: Row[*tuple[Any, ...]], one: Transition) -> list[AlertKind]:
    """What kinds of failures this end is, of those that are asked for: the row tells what became of it."""
    failed = row.state == RunState.FAILED
    kinds = [AlertKind.FINAL_FAILURE, AlertKind.PING] if failed else []
    if failed or (row.state == RunState.SCHEDULED and one.error is not None):
        kinds.append(AlertKind.FAILURE)
    return [kind for kind in kinds if kind in one.alerts]


def _of_run(kind: AlertKind, row: Row[*tuple[Any, ...]]) -> NewBreach:
    details: dict[str, Any] = {"run": row.id, "attempt": row.attempt}
    if kind is AlertKind.PING:
        details["ok"] = row.state == RunState.SUCCEEDED
    if row.state != RunState.SUCCEEDED:
        error = row.error[-1] if row.error else {}
        words = ": ".join(str(error[part]) for part in ("type", "message") if error.get(part))
        details |= {"reason": row.reason or error.get("reason"), "error": words}
    subject = f"{row.id}.{row.attempt}"
    return NewBreach(namespace=row.namespace, job=row.job, kind=kind, subject=subject, details=details)


def _end_failures(
    connection: Connection, dialect: Dialect, won: Sequence[Row[*tuple[Any, ...]]]
) -> set[tuple[str, str]]:
    """The final failures of jobs that have succeeded are over; of which jobs there were any."""
    ended: set[tuple[str, str]] = set()
    for namespace, job in sorted({(row.namespace, row.job) for row in won}):
        c = alerts.c
        of_job = (c.namespace == namespace, c.job == job, c.kind == AlertKind.FINAL_FAILURE.value, OPEN)
        statement = update(alerts).where(*of_job).values(closed_at=dialect.now_expression())
        if connection.execute(statement).rowcount:
            ended.add((namespace, job))
    return ended


def _open_failures(connection: Connection, failed: Sequence[NewBreach]) -> set[tuple[str, str | None]]:
    """Jobs whose last run had failed for good before: of a job that fails on and on the first failure stands for all."""
    found: set[tuple[str, str | None]] = set()
    c = alerts.c
    for job in {(one.namespace, one.job) for one in failed if one.kind is AlertKind.FINAL_FAILURE}:
        of_job = (c.namespace == job[0], c.job == job[1], c.kind == AlertKind.FINAL_FAILURE.value, OPEN)
        if connection.execute(select(c.id).where(*of_job).limit(1)).first() is not None:
            found.add(job)
    return found


# -- noting and ending


def note(
    connection: Connection,
    dialect: Dialect,
    breaches: Sequence[NewBreach],
    over: Collection[tuple[str, str | None]] = (),
) -> int:
    """Those that have no row yet get one; how many. Of jobs in `over` they are over at once."""
    if not breaches:
        return 0
    now = dialect.now(connection)
    rows = [
        {
            "namespace": breach.namespace,
            "job": breach.job or "",
            "kind": breach.kind.value,
            "subject": breach.subject,
            "details": breach.details,
            "opened_at": now,
            "closed_at": None if breach.kind in _LASTING and (breach.namespace, breach.job) not in over else now,
        }
        for breach in breaches
    ]
    return dialect.insert_unless_known(connection, alerts, rows)


def note_beginnings(connection: Connection, dialect: Dialect, fences: Sequence[tuple[int, int]]) -> int:
    """Attempts that still run have begun. Their rows are locked: whoever ends one waits, and notes its end after this."""
    c, noted = runs.c, 0
    for start in range(0, len(fences), _CHUNK):
        wanted = set(fences[start : start + _CHUNK])
        rows = connection.execute(
            select(c.id, c.claim_no, c.namespace, c.job, c.attempt)
            .where(c.id.in_(sorted(id_ for id_, _ in wanted)), in_state(RunState.RUNNING), c.job.is_not(None))
            .order_by(c.id)
            .with_for_update()
        ).fetchall()
        begun = [
            NewBreach(
                namespace=row.namespace,
                job=row.job,
                kind=AlertKind.PING,
                subject=f"{row.id}.{row.attempt} begins",
                details={"run": row.id, "attempt": row.attempt, "ok": None},
            )
            for row in rows
            if (row.id, row.claim_no) in wanted
        ]
        noted += note(connection, dialect, begun)
    return noted


def end(connection: Connection, dialect: Dialect, ids: Sequence[int]) -> None:
    """These are over, unless they were already."""
    for start in range(0, len(ids), _CHUNK):
        chosen = alerts.c.id.in_(ids[start : start + _CHUNK])
        connection.execute(update(alerts).where(chosen, OPEN).values(closed_at=dialect.now_expression()))


def tell(
    connection: Connection, dialect: Dialect, untold: Sequence[Untold], new: Sequence[NewRun]
) -> list[Created | None]:
    """Breaches are told, by these runs. Raises CannotTellError if another node was faster, or if a run that one of these
    was to replace is being performed. What is but a ping is forgotten: there may be many.
    """
    # In one order, so that nodes that tell of the same do not wait for each other.
    for group in sorted(untold, key=lambda one: one.last.id):
        _tell_group(connection, dialect, group)
    made = insert_runs(connection, dialect, new) if new else []
    if any(one is not None and one.existing and one.state is RunState.RUNNING for one in made):
        raise CannotTellError
    return made


def _tell_group(connection: Connection, dialect: Dialect, untold: Untold) -> None:
    last, c = untold.last, alerts.c
    group = (
        c.namespace == last.namespace,
        c.job == (last.job or ""),
        c.kind == last.kind.value,
        c.id <= last.id,
        UNTOLD,
    )
    if last.kind is AlertKind.PING:
        told = connection.execute(delete(alerts).where(*group)).rowcount
    else:
        told = connection.execute(update(alerts).where(*group).values(told_at=dialect.now_expression())).rowcount
    if told < untold.count:
        raise CannotTellError


class CannotTellError(Exception):
    """The transaction is given up: the breaches are told already, or are to be told a little later."""


def forget(connection: Connection, dialect: Dialect) -> None:
    """What has been over for long, and what has lasted too long."""
    now, c = dialect.now(connection), alerts.c
    old = or_(c.closed_at < now - _KEPT, and_(c.closed_at.is_(None), c.opened_at < now - _KEPT_OPEN))
    connection.execute(delete(alerts).where(old))


# -- questions


def untold(connection: Connection, namespaces: Collection[str]) -> list[Untold]:
    """What nobody was told of, by job and kind, each with its newest breaches and its newest message."""
    c = alerts.c
    alike = (c.namespace, c.job, c.kind)
    ranked = (
        select(
            alerts,
            func.row_number().over(partition_by=alike, order_by=c.id.desc()).label("rank"),
            func.count().over(partition_by=alike).label("untold"),
            func.min(c.opened_at).over(partition_by=alike).label("since"),
        )
        .where(c.namespace.in_(sorted(namespaces)), UNTOLD)
        .subquery()
    )
    last = (
        select(func.max(c.told_at))
        .where(c.namespace == ranked.c.namespace, c.job == ranked.c.job, c.kind == ranked.c.kind)
        .scalar_subquery()
    )
    statement = (
        select(ranked, last.label("last_told_at"))
        .where(ranked.c.rank <= NAMED)
        .order_by(ranked.c.namespace, ranked.c.job, ranked.c.kind, ranked.c.id)
    )
    rows = connection.execute(statement).fetchall()
    return [_untold(list(group)) for _, group in groupby(rows, key=lambda row: (row.namespace, row.job, row.kind))]


def _untold(rows: Sequence[Row[*tuple[Any, ...]]]) -> Untold:
    first = rows[0]
    newest = tuple(map(_breach, rows))
    return Untold(newest=newest, count=first.untold, since=first.since, last_told_at=first.last_told_at)


def open_breaches(connection: Connection, namespace: str) -> list[Breach]:
    """Those that are not over, the oldest first."""
    statement = select(alerts).where(alerts.c.namespace == namespace, OPEN).order_by(alerts.c.id).limit(10 * _MOST)
    return [_breach(row) for row in connection.execute(statement)]


def _breach(row: Row[*tuple[Any, ...]]) -> Breach:
    return Breach(
        id=row.id,
        namespace=row.namespace,
        job=row.job or None,
        kind=AlertKind(row.kind),
        subject=row.subject,
        details=row.details,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        told_at=row.told_at,
    )


def watched_jobs(connection: Connection, namespace: str) -> list[StoredJob]:
    """Jobs that have `alerts` or `ping`. Looked for in the text: thousands of others need not be read."""
    written = cast(jobs.c.definition, Text)
    told = or_(written.like('%"alerts"%'), written.like('%"ping"%'))
    statement = select(jobs).where(jobs.c.namespace == namespace, told).order_by(jobs.c.name)
    found = [stored_job(row) for row in connection.execute(statement)]
    return [stored for stored in found if stored.job.alerts is not None or stored.job.ping is not None]


def missed(connection: Connection, namespace: str, since: datetime) -> list[MissedSlot]:
    """Rows of slots that did not run because their time was over, the newest first."""
    c = runs.c
    statement = (
        select(c.id, c.job, c.scheduled_at, c.covers_first, c.covers_last, c.covers_count, c.reason)
        .where(c.namespace == namespace, MISSED, c.finished_at >= since, c.job.is_not(None))
        .order_by(c.finished_at.desc())
        .limit(_MOST)
    )
    return [
        MissedSlot(
            row.job,
            row.id,
            row.covers_last or row.scheduled_at,
            row.covers_count if row.covers_first is not None else 1,
            row.reason,
        )
        for row in connection.execute(statement)
    ]


def sla_facts(connection: Connection, dialect: Dialect, namespace: str, names: Sequence[str]) -> SlaFacts:
    """Of these jobs: slots that wait for their first attempt, attempts that run, the newest success of each."""
    waiting: list[WaitingSlot] = []
    running: list[RunningAttempt] = []
    successes: dict[str, datetime] = {}
    c = runs.c
    for start in range(0, len(names), _CHUNK):
        chosen = names[start : start + _CHUNK]
        of_jobs = (c.namespace == namespace, c.job.in_(chosen))
        first = (WAITING, c.source == Source.SLOT.value, c.claim_no == 0)
        waits = select(c.job, c.id, c.scheduled_at, c.available_at).where(*of_jobs, *first)
        waiting += (WaitingSlot(*row) for row in connection.execute(waits.order_by(c.available_at).limit(_MOST)))
        runs_now = select(c.job, c.id, c.attempt, c.started_at).where(*of_jobs, in_state(RunState.RUNNING))
        running += (RunningAttempt(*row) for row in connection.execute(runs_now.order_by(c.started_at).limit(_MOST)))
        declared = select(jobs.c.name, jobs.c.created_at).where(jobs.c.namespace == namespace, jobs.c.name.in_(chosen))
        successes |= {row.name: row.created_at for row in connection.execute(declared)}
        newest = select(c.job, func.max(c.finished_at)).where(*of_jobs, in_state(RunState.SUCCEEDED)).group_by(c.job)
        for name, at in connection.execute(newest):
            successes[name] = max(at, successes.get(name, at))
    return SlaFacts(dialect.now(connection), tuple(waiting), tuple(running), successes)
