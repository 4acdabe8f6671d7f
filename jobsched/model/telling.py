"""What is told of breaches: which may be told now, in what words, to whom."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from jobsched.model.alert import (
    ALERT_QUEUE,
    NAMED,
    OF_NAMESPACE,
    SENDING_ATTEMPTS,
    SENDING_TIMEOUT,
    AlertKind,
    Alerts,
    Breach,
    Notifier,
    Ping,
    Untold,
)
from jobsched.model.handler import HttpHandler, NotifyHandler, handler_text
from jobsched.model.instants import format_instant
from jobsched.model.run import NewRun, OnConflict, Source
from jobsched.model.template import filled_in

_LONGEST_ERROR = 500
#: Characters in a receiver's own words: a message is for people, and has to fit into a payload with all that stands beside it.
_LONGEST_TITLE, _LONGEST_TEXT = 500, 50_000

#: More jobs and kinds than this at once are told in one message for each receiver; so many at most.
APART, TOGETHER = 5, 500


class Telling(NamedTuple):
    """These breaches are told by these runs, together; no run if nobody wants to know any more."""

    untold: tuple[Untold, ...]
    runs: tuple[NewRun, ...]


def tellings(
    untold: Iterable[Untold],
    alerts: Mapping[str, Mapping[str, Alerts]],
    now: datetime,
    pings: Mapping[str, Mapping[str, Ping]] = MappingProxyType({}),
) -> tuple[list[Telling], datetime | None]:
    """What may be told now, and when the next of the others may be. `alerts`: by namespace and job.

    All breaches of one kind and job are told in one message; the next comes when `throttle` has passed. Of many jobs
    and kinds at once a receiver gets one message: what fails together has one cause, as a rule.
    """
    told: list[Telling] = []
    later: list[datetime] = []
    ready: dict[str, list[_Wanted]] = {}
    for group in untold:
        last = group.last
        if last.kind is AlertKind.PING:
            runs = _ping_runs(group.newest, pings.get(last.namespace, {}).get(last.job or ""))
            told.append(Telling((group,), runs))
            continue
        wanted = _wanted(last.kind, last.job, alerts.get(last.namespace, {}))
        if wanted is not None and group.last_told_at is not None and now - group.last_told_at < wanted.throttle:
            later.append(group.last_told_at + wanted.throttle)
            continue
        if wanted is None:
            told.append(Telling((group,), ()))
        else:
            ready.setdefault(last.namespace, []).append((group, wanted.notify))
    told += (telling for namespace, groups in ready.items() for telling in _together(namespace, groups))
    return told, min(later, default=None)


#: What may be told now, and to whom.
_Wanted: TypeAlias = tuple[Untold, tuple[Notifier, ...]]


def _together(namespace: str, ready: list[_Wanted]) -> Iterator[Telling]:
    """A few each by itself, many at once."""
    at_once = 1 if len(ready) <= APART else TOGETHER
    for start in range(0, len(ready), at_once):
        chosen = ready[start : start + at_once]
        # By value, not by name: a namespace may have jobs of several files, applied at different times.
        receivers = dict.fromkeys(to for _, notify in chosen for to in notify)
        runs = [
            alert_run(namespace, to, message(*(group for group, notify in chosen if to in notify))) for to in receivers
        ]
        yield Telling(tuple(group for group, _ in chosen), tuple(runs))


def alert_run(namespace: str, to: Notifier, payload: Mapping[str, Any]) -> NewRun:
    """A run that sends one message. One at a time for each receiver, so that a dead one holds no more than a thread."""
    return NewRun(
        namespace=namespace,
        handler=handler_text(to.handler),
        source=Source.ENQUEUE,
        queue=ALERT_QUEUE,
        payload={**_worded(payload, to), "notifier": to.name},
        max_attempts=SENDING_ATTEMPTS,
        timeout=SENDING_TIMEOUT,
        key=f"notifier:{to.name}",
    )


def _worded(payload: Mapping[str, Any], to: Notifier) -> Mapping[str, Any]:
    """In the receiver's own words, where it has any. A title is one line."""
    own: dict[str, str] = {}
    if to.title is not None:
        own["title"] = " ".join(filled_in(to.title, payload, _LONGEST_TITLE).split())
    if to.text is not None:
        own["text"] = filled_in(to.text, payload, _LONGEST_TEXT)
    return {**payload, **own}


def _ping_runs(untold: Sequence[Breach], ping: Ping | None) -> tuple[NewRun, ...]:
    """Of several runs that are over the last one counts: it takes the place of a ping that still waits.

    A beginning takes nothing's place: that a run failed must be heard, though the next one has begun.
    """
    calls = [(breach, url) for breach in untold if ping is not None and (url := _ping_url(breach, ping)) is not None]
    if not calls:
        return ()
    ends = [call for call in calls if not _is_beginning(call[0])]
    newest, url = (ends or calls)[-1]
    # One at a time, of all jobs: they go to the same service, as a rule, and one that is away must not hold many threads.
    run = NewRun(
        namespace=newest.namespace,
        handler=handler_text(NotifyHandler("ping", HttpHandler(url, method="POST"))),
        source=Source.ENQUEUE,
        queue=ALERT_QUEUE,
        payload={"job": newest.job, "at": format_instant(newest.opened_at), **newest.details, "notifier": "ping"},
        max_attempts=SENDING_ATTEMPTS,
        timeout=SENDING_TIMEOUT,
        key="notifier:ping",
        unique_key=f"ping:{newest.job}",
        on_conflict=OnConflict.REPLACE if ends else OnConflict.IGNORE,
    )
    return (run,)


def _is_beginning(breach: Breach) -> bool:
    return breach.details["ok"] is None


def _ping_url(breach: Breach, ping: Ping) -> str | None:
    if _is_beginning(breach):
        return ping.start
    return ping.success if breach.details["ok"] else ping.failure


def message(*groups: Untold) -> dict[str, Any]:
    """What receivers get, as JSON: `title` and `text` for people, the rest for programs."""
    return _of_one(groups[0]) if len(groups) == 1 else _of_many(groups)


def _of_many(groups: Sequence[Untold]) -> dict[str, Any]:
    """The newest breach of each, as far as they are named; `alert` is `several` and `job` null, whatever they are of."""
    namespace, named = groups[0].last.namespace, groups[:NAMED]
    kinds = Counter(str(group.last.kind) for group in groups)
    title = f"jobsched:{_place(namespace)} {len(groups)} alerts: " + ", ".join(
        f"{kind} {number}" for kind, number in sorted(kinds.items())
    )
    lines = [f"{group.last.job or 'all jobs'}, {group.last.kind}: {_line(group.last)}" for group in named]
    if len(groups) > len(named):
        lines.append(f"… and {len(groups) - len(named)} more; see: jobsched alert list")
    since = min(group.since for group in groups)
    return {
        "alert": "several",
        "namespace": namespace,
        "job": None,
        "title": title,
        "text": "\n".join([title, *lines]),
        "count": sum(group.count for group in groups),
        "since": format_instant(since),
        "breaches": [{"alert": str(group.last.kind), "job": group.last.job, **_as_json(group.last)} for group in named],
    }


def _of_one(group: Untold) -> dict[str, Any]:
    last = group.last
    lines = [_line(breach) for breach in group.newest]
    if group.count > len(group.newest):
        older = group.count - len(group.newest)
        lines.append(f"… and {older} more before these, since {format_instant(group.since)}")
    title = _title(last, group.count)
    return {
        "alert": str(last.kind),
        "namespace": last.namespace,
        "job": last.job,
        "title": title,
        "text": "\n".join([title, *lines]),
        "count": group.count,
        "since": format_instant(group.since),
        "breaches": [_as_json(breach) for breach in group.newest],
    }


def _as_json(breach: Breach) -> dict[str, Any]:
    return {"at": format_instant(breach.opened_at), "subject": breach.subject, **breach.details}


def trial_message(namespace: str, now: datetime) -> dict[str, Any]:
    """What `jobsched alert test` sends."""
    title = f"jobsched: a test of alerts, of namespace {namespace}"
    return {
        "alert": "test",
        "namespace": namespace,
        "job": None,
        "title": title,
        "text": f"{title}\nIf you can read this, alerts reach you.",
        "count": 0,
        "since": format_instant(now),
        "breaches": [],
    }


def _wanted(kind: AlertKind, job: str | None, alerts: Mapping[str, Alerts]) -> Alerts | None:
    """How this is to be told; None if nobody wants it told, now that files may say other things."""
    if kind in OF_NAMESPACE:
        return of_namespace(kind, alerts)
    found = alerts.get(job or "")
    return found if found is not None and kind in found.when else None


def of_namespace(kind: AlertKind, alerts: Mapping[str, Alerts]) -> Alerts | None:
    """Of what is no job's: all receivers that any job names for it, each once, with the shortest throttle."""
    named = [one for one in alerts.values() if kind in one.when]
    if not named:
        return None
    receivers = {notifier.name: notifier for one in named for notifier in one.notify}
    throttle: timedelta = min(one.throttle for one in named)
    return replace(named[0], notify=tuple(receivers[name] for name in sorted(receivers)), throttle=throttle)


_TITLES = {
    AlertKind.FINAL_FAILURE: "{} failed for good",
    AlertKind.FAILURE: "an attempt of {} failed",
    AlertKind.RECOVERY: "{} succeeds again",
    AlertKind.LATE: "{} is late",
    AlertKind.MISSED: "{} missed a slot",
    AlertKind.STUCK: "{} is stuck",
    AlertKind.NO_SUCCESS: "{} has not succeeded for too long",
    AlertKind.SYNC_REFUSED: "changed files are not applied",
    AlertKind.NODE_LOST: "a node is lost",
    AlertKind.PING: "a run of {} is over",
}


def _title(breach: Breach, count: int) -> str:
    times = f" ({count} times)" if count > 1 else ""
    return f"jobsched:{_place(breach.namespace)} {_TITLES[breach.kind].format(breach.job)}{times}"


def _place(namespace: str) -> str:
    return "" if namespace == "default" else f" {namespace}:"


def _line(breach: Breach) -> str:
    """One breach in a sentence without its job."""
    told, at = breach.details, format_instant(breach.opened_at)
    match breach.kind:
        case AlertKind.FINAL_FAILURE | AlertKind.FAILURE:
            return f"run {told['run']}, attempt {told['attempt']}, at {at}: {told['error'][:_LONGEST_ERROR]}"
        case AlertKind.RECOVERY:
            return f"run {told['run']} succeeded at {at}"
        case AlertKind.LATE:
            return f"run {told['run']} of the slot {told['scheduled_at']} had not started at {at}"
        case AlertKind.MISSED:
            slots = "more than 1,000 slots up to" if told["slots"] is None else f"{told['slots']} slots up to"
            slot = "the slot" if told["slots"] == 1 else slots
            return f"{slot} {told['scheduled_at']} did not run ({told['reason']}); see run {told['run']}"
        case AlertKind.STUCK:
            return f"run {told['run']}, attempt {told['attempt']}, has been running since {told['started_at']}"
        case AlertKind.NO_SUCCESS:
            return f"none since {told['since']}"
        case AlertKind.SYNC_REFUSED:
            return f"the last good state runs on: {told['error'][:_LONGEST_ERROR]}"
        case AlertKind.PING:
            return f"run {told['run']} is over"
        case AlertKind.NODE_LOST:
            return f"node {told['node']} on {told['host']}, last heard of at {told['heartbeat_at']}"
