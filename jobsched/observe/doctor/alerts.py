"""Findings about alerts: messages that nobody got. Nobody is alerted of those, so they are looked for here."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from jobsched.model.alert import ALERT_QUEUE
from jobsched.model.run import Run, RunFilter, RunState
from jobsched.observe.doctor.finding import Facts, Finding, for_so_long

_DAY = timedelta(days=1)
_MOST = 20
#: Breaches are told within seconds, and at the latest when the throttle of their job has passed.
_UNTOLD_LONG = timedelta(minutes=5)


def unsent(namespace: str, now: datetime) -> RunFilter:
    """Asks for `Facts.unsent`."""
    return RunFilter(namespace=namespace, queue=ALERT_QUEUE, states=(RunState.FAILED,), since=now - _DAY, limit=_MOST)


def sent(facts: Facts) -> Iterator[Finding]:
    """Messages that all attempts failed to send."""
    if not facts.unsent:
        if _declared(facts):
            yield Finding("ok", "alerts", "none of the last day's could not be sent", seen={"unsent": 0})
        return
    newest = facts.unsent[0]
    count = f"{len(facts.unsent)}{' or more' if len(facts.unsent) == _MOST else ''}"
    what = f"{count} of the last day's could not be sent, the newest to {_receiver(newest)}: {_why(newest)}"
    do = f"mend it, then: jobsched alert test {_receiver(newest)}; see jobsched logs {newest.id}"
    seen = {"unsent": len(facts.unsent), "run": newest.id, "notifier": _receiver(newest)}
    yield Finding("warning", "alerts", what, do, seen)


def told(facts: Facts) -> Iterator[Finding]:
    """Breaches that no node has told of, though their time has come."""
    longest = max((stored.job.alerts.throttle for stored in facts.jobs if stored.job.alerts), default=timedelta(0))
    oldest = min((group.since for group in facts.untold), default=facts.now)
    count = sum(group.count for group in facts.untold)
    if _declared(facts) and facts.now - oldest > longest + _UNTOLD_LONG:
        what = f"{count} breaches are untold, the oldest for {for_so_long(facts.now - oldest)}"
        do = "look at the nodes' logs" if facts.serving else "start a node: jobsched run"
        yield Finding("warning", "alerts", what, do, {"untold": count})


def served(facts: Facts) -> Iterator[Finding]:
    """Whether any node performs the runs that send alerts."""
    if not _declared(facts) or not facts.serving:
        return
    if all(ALERT_QUEUE not in node.info.get("queues", [ALERT_QUEUE]) for node in facts.serving):
        what = f"no living node serves queue {ALERT_QUEUE}: nobody is told of anything"
        do = f"start one that does: jobsched run --queues {ALERT_QUEUE}"
        yield Finding("error", "alerts", what, do, {"queue": ALERT_QUEUE})


def _declared(facts: Facts) -> bool:
    return any(stored.job.alerts is not None for stored in facts.jobs)


def _receiver(run: Run) -> str:
    return str(run.payload.get("notifier", "?"))


def _why(run: Run) -> str:
    return str(run.error[-1].get("message", "?")) if run.error else "?"
