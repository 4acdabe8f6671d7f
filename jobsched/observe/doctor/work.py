"""Findings about work: slots that nobody fires, runs that nobody begins, pauses that somebody forgot, jobs that fail."""

from collections.abc import Iterator
from datetime import timedelta

from jobsched.model.keys import declared_for
from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.observe.doctor.finding import Facts, Finding, Level, for_so_long, some

#: Slots fire within seconds, and blocked runs are looked after each few: what is later, nobody does.
_LATE = timedelta(minutes=1)
_PENDING_LONG, _PENDING_TOO_LONG = timedelta(minutes=1), timedelta(minutes=15)
_PAUSED_LONG = timedelta(days=7)


def slots(facts: Facts) -> Iterator[Finding]:
    """Jobs whose next slot is past, and that nothing holds."""
    pauses = Pauses(facts.pauses)
    late = {
        stored.job.name: facts.now - stored.next_at
        for stored in facts.jobs
        if stored.next_at is not None and facts.now - stored.next_at >= _LATE and pauses.of_job(stored.job.name) is None
    }
    if not late:
        yield Finding("ok", "slots", "no slot is overdue", seen={"jobs": len(facts.jobs)})
        return
    names = sorted(late, key=lambda name: -late[name])
    what = f"the next slot is overdue of {some(names)}, by up to {for_so_long(late[names[0]])}: nobody fires them"
    do = "look at the nodes' logs" if facts.serving else "start a node: jobsched run"
    seen = {"jobs": names[:20], "count": len(names), "seconds": round(late[names[0]].total_seconds())}
    yield Finding("error", "slots", what, do, seen)


def pending(facts: Facts) -> Iterator[Finding]:
    """Runs that are due and that no thread begins."""
    pauses, well = Pauses(facts.pauses), True
    for queue in facts.inspection.pending:
        age = facts.now - queue.since
        if age < _PENDING_LONG or pauses.of_queue(queue.queue) is not None:
            continue
        well = False
        what = f"{queue.runs:,} pending in queue {queue.queue}, the oldest for {for_so_long(age)}"
        seen = {"queue": queue.queue, "runs": queue.runs, "seconds": round(age.total_seconds())}
        level: Level = "error" if age >= _PENDING_TOO_LONG else "warning"
        yield Finding(level, "pending", what, _what_lacks(facts, queue.queue), seen)
    if well:
        count = sum(queue.runs for queue in facts.inspection.pending)
        what = f"{count:,} pending, none that is not paused for longer than {for_so_long(_PENDING_LONG)}"
        yield Finding("ok", "pending", what, seen={"runs": count})


def _what_lacks(facts: Facts, queue: str) -> str:
    if not facts.serving:
        return "start a node: jobsched run"
    if all(queue not in node.info.get("queues", [queue]) for node in facts.serving):
        return f"no living node serves this queue; start one: jobsched run --queues {queue}"
    return "if all threads are busy: more threads or nodes; else see `handlers` and the nodes' logs"


def blocked(facts: Facts) -> Iterator[Finding]:
    """Keys whose runs nobody lets in, or whose limit is no job's any more."""
    declared = {stored.job.concurrency_key for stored in facts.jobs}
    well = True
    for key in facts.inspection.blocked:
        age = facts.now - key.since
        seen = {"key": key.key, "runs": key.runs, "seconds": round(age.total_seconds())}
        if not key.lacks and age >= _LATE:
            well, what = (
                False,
                f"{key.runs:,} blocked under key {key.key} for {for_so_long(age)}, though it has a place",
            )
            yield Finding("warning", "blocked", what, "start a node, or look at the nodes' logs", seen)
        elif key.of_jobs and (declared_for(key.key) or key.key) not in declared:
            well, what = False, f"{key.runs:,} blocked under key {key.key}, whose limit no job declares any more"
            do = "they go on under the old limit; to have them run under the new one: cancel and requeue them"
            yield Finding("warning", "blocked", what, do, seen)
    if well:
        count = sum(key.runs for key in facts.inspection.blocked)
        yield Finding("ok", "blocked", f"{count:,} wait for a place of their key", seen={"runs": count})


def pauses(facts: Facts) -> Iterator[Finding]:
    """Pauses that stand for long, or whose end nobody has noticed."""
    well = True
    for pause in facts.pauses:
        age = facts.now - pause.since
        seen = {
            "scope": str(pause.scope),
            "name": pause.name or None,
            "by": pause.by,
            "seconds": round(age.total_seconds()),
        }
        if pause.until is not None and facts.now - pause.until >= _LATE:
            well, what = (
                False,
                f"the pause of {_held(pause)} has been over for {for_so_long(facts.now - pause.until)}, and stands",
            )
            yield Finding("warning", "pauses", what, "start a node, which ends it, or: jobsched resume", seen)
        elif pause.until is None and age >= _PAUSED_LONG:
            well, what = False, f"{_held(pause)} is paused for {for_so_long(age)}, by {pause.by}"
            yield Finding("warning", "pauses", what, "if that is not meant any more: jobsched resume", seen)
    if well:
        yield Finding("ok", "pauses", f"{len(facts.pauses)} stand", seen={"count": len(facts.pauses)})


def failing(facts: Facts) -> Iterator[Finding]:
    """Jobs of which the last run failed for good: the work is at fault, and whoever looks here wants to know."""
    names = sorted(facts.failing)
    if not names:
        yield Finding("ok", "failing", "the last run of no job has failed", seen={"jobs": [], "count": 0})
        return
    what = f"the last run of {some(names)} has failed for good"
    do = f"jobsched runs --job {names[0]} --state failed, then jobsched logs RUN; when it is mended: jobsched requeue RUN"
    yield Finding("warning", "failing", what, do, {"jobs": names[:20], "count": len(names)})


def _held(pause: Pause) -> str:
    return "everything" if pause.scope is PauseScope.ALL else f"{pause.scope} {pause.name}"
