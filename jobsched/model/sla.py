"""Whether jobs are late, stuck or long without success: decided from what a store knows of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from jobsched.model.alert import AlertKind, Alerts, NewBreach
from jobsched.model.instants import format_instant


class WaitingSlot(NamedTuple):
    """A slot that no attempt was made of yet; due at `available_at`, which jitter may have moved."""

    job: str
    run: int
    scheduled_at: datetime
    available_at: datetime


class RunningAttempt(NamedTuple):
    job: str
    run: int
    attempt: int
    started_at: datetime


class MissedSlot(NamedTuple):
    """A skipped row. `scheduled_at` is the last of its slots; `slots` is None above 1,000."""

    job: str
    run: int
    scheduled_at: datetime | None
    slots: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SlaFacts:
    """Of the jobs that were asked about. `successes`: the newest of each, or since when it is declared if there is none."""

    now: datetime
    waiting: tuple[WaitingSlot, ...] = ()
    running: tuple[RunningAttempt, ...] = ()
    successes: Mapping[str, datetime] = field(default_factory=dict)


def sla_breaches(
    namespace: str, alerts: Mapping[str, Alerts], facts: SlaFacts, held: frozenset[str] = frozenset()
) -> Iterator[NewBreach]:
    """What is too late or too long now. Of `held` jobs (paused, suspended) nothing is expected: only what runs is judged."""
    for slot in facts.waiting:
        late_after = _limit(alerts, slot.job, AlertKind.LATE)
        if late_after is not None and slot.job not in held and facts.now - slot.available_at > late_after:
            details = {"run": slot.run, "scheduled_at": format_instant(slot.scheduled_at)}
            yield _breach(namespace, slot.job, AlertKind.LATE, str(slot.run), details)
    for attempt in facts.running:
        longest = _limit(alerts, attempt.job, AlertKind.STUCK)
        if longest is not None and facts.now - attempt.started_at > longest:
            details = {
                "run": attempt.run,
                "attempt": attempt.attempt,
                "started_at": format_instant(attempt.started_at),
            }
            yield _breach(namespace, attempt.job, AlertKind.STUCK, f"{attempt.run}.{attempt.attempt}", details)
    for job, since in facts.successes.items():
        longest = _limit(alerts, job, AlertKind.NO_SUCCESS)
        if longest is not None and job not in held and facts.now - since > longest:
            shown = format_instant(since)
            yield _breach(namespace, job, AlertKind.NO_SUCCESS, shown, {"since": shown})


def missed_breaches(namespace: str, alerts: Mapping[str, Alerts], missed: list[MissedSlot]) -> Iterator[NewBreach]:
    """What was skipped because its time was over, of jobs that want it told."""
    for slot in missed:
        if slot.job in alerts and AlertKind.MISSED in alerts[slot.job].when:
            details: dict[str, Any] = {
                "run": slot.run,
                "scheduled_at": None if slot.scheduled_at is None else format_instant(slot.scheduled_at),
                "slots": slot.slots,
                "reason": slot.reason,
            }
            yield _breach(namespace, slot.job, AlertKind.MISSED, str(slot.run), details)


def _limit(alerts: Mapping[str, Alerts], job: str, kind: AlertKind) -> timedelta | None:
    wanted = alerts.get(job)
    if wanted is None or kind not in wanted.when:
        return None
    return {
        AlertKind.LATE: wanted.sla.late_after,
        AlertKind.STUCK: wanted.sla.max_runtime,
        AlertKind.NO_SUCCESS: wanted.sla.max_time_since_success,
    }[kind]


def _breach(namespace: str, job: str, kind: AlertKind, subject: str, details: dict[str, Any]) -> NewBreach:
    return NewBreach(namespace=namespace, job=job, kind=kind, subject=subject, details=details)
