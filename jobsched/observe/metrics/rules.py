"""Alerting rules for Prometheus, to begin with: `jobsched metrics --rules`.

What a database tells is told by every node that is asked, so each rule takes the greatest and is said once, however
many nodes there are. Only what a node says of itself is said for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert. `summary` and `description` are Prometheus' templates."""

    alert: str
    expr: str
    lasting: str  #: how long it must be so
    severity: Literal["critical", "warning"]
    summary: str
    description: str


_JOB = "{{ $labels.namespace }}/{{ $labels.job_name }}"
_BY_JOB = "max by (namespace, job_name)"
_LAST_RUN = f"{_BY_JOB} (jobsched_job_last_run_timestamp_seconds)"
_LAST_SUCCESS = f"{_BY_JOB} (jobsched_job_last_success_timestamp_seconds)"

RULES = (
    Rule(
        alert="JobschedDatabaseDown",
        expr="jobsched_database_up == 0",
        lasting="2m",
        severity="critical",
        summary="The database does not answer {{ $labels.instance }}",
        description="Nothing is scheduled and no result is saved until it does. See: jobsched doctor",
    ),
    Rule(
        alert="JobschedNoNode",
        expr='max by (namespace) (jobsched_nodes{state="alive"}) == 0 or absent(jobsched_nodes{state="alive"})',
        lasting="2m",
        severity="critical",
        summary="No node runs {{ $labels.namespace }}",
        description="Its slots are missed and its queues grow. See: jobsched status",
    ),
    Rule(
        alert="JobschedNodeLost",
        expr="sum(increase(jobsched_nodes_lost_total[15m])) > 0",
        lasting="0m",
        severity="warning",
        summary="A node has died",
        description="Its lease ran out, and others took its runs. See: jobsched status",
    ),
    Rule(
        alert="JobschedSlotNotFired",
        expr=f"time() - {_BY_JOB} (jobsched_job_next_slot_timestamp_seconds) > 120",
        lasting="2m",
        severity="critical",
        summary=f"{_JOB}: its slot has come, and no node fires it",
        description="It has been due for {{ $value | humanizeDuration }}. See: jobsched doctor",
    ),
    Rule(
        alert="JobschedStartsLate",
        expr=(
            "histogram_quantile(0.9, sum by (namespace, job_name, le) (rate(jobsched_slot_late_seconds_bucket[30m]))) > 60"
        ),
        lasting="15m",
        severity="warning",
        summary=f"{_JOB} starts late",
        description="One in ten of its runs begins more than {{ $value | humanizeDuration }} after its slot. "
        "More threads, or more nodes?",
    ),
    Rule(
        alert="JobschedJobFailing",
        expr=f"{_BY_JOB} (jobsched_job_failing) == 1",
        lasting="0m",
        severity="warning",
        summary=f"{_JOB} fails",
        description="Its last run failed for good. See: jobsched runs --job {{ $labels.job_name }}",
    ),
    Rule(
        alert="JobschedHandlerFailing",
        expr=(
            'sum by (namespace, handler) (increase(jobsched_runs_finished_total{job_name="",state="failed"}[15m])) > 0'
        ),
        lasting="0m",
        severity="warning",
        summary="{{ $labels.namespace }}: runs of {{ $labels.handler }} fail",
        description="About {{ $value | humanize }} within 15 minutes. See: jobsched runs --state failed",
    ),
    Rule(
        alert="JobschedNoSuccess",
        expr=(
            f"({_LAST_RUN} > {_LAST_SUCCESS} and time() - {_LAST_SUCCESS} > 3600) or ({_LAST_RUN} unless {_LAST_SUCCESS})"
        ),
        lasting="1h",
        severity="warning",
        summary=f"{_JOB} has runs, and none succeeds",
        description="Not for an hour: it fails, hangs, or waits. A job that takes longer wants a longer `for`. "
        "See: jobsched why {{ $labels.job_name }}",
    ),
    Rule(
        alert="JobschedQueueOld",
        expr="max by (namespace, queue) (jobsched_queue_oldest_pending_seconds) > 600",
        lasting="5m",
        severity="warning",
        summary="{{ $labels.namespace }}: queue {{ $labels.queue }} does not get done",
        description="Its oldest run has waited for {{ $value | humanizeDuration }}. Is it paused, served by a node, "
        "or are there too few threads?",
    ),
    Rule(
        alert="JobschedConfigRefused",
        expr="jobsched_node_config_ok == 0",
        lasting="5m",
        severity="warning",
        summary="{{ $labels.instance }} refuses its files",
        description="What was valid last runs on. See: jobsched status",
    ),
    Rule(
        alert="JobschedConfigStale",
        expr="jobsched_node_config_stale == 1",
        lasting="15m",
        severity="warning",
        summary="The files of {{ $labels.instance }} are older than what runs",
        description="It runs the newest generation all the same. Was its deployment forgotten?",
    ),
    Rule(
        alert="JobschedAbandonedThreads",
        expr="jobsched_node_abandoned_threads > 0",
        lasting="5m",
        severity="warning",
        summary="{{ $labels.instance }} has given up {{ $value }} threads",
        description="Handlers ignore their timeout. They hold their places until they end. `executor: process` can be killed.",
    ),
    Rule(
        alert="JobschedClockWrong",
        expr="abs(jobsched_node_clock_skew_seconds) > 1",
        lasting="10m",
        severity="warning",
        summary="The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} off the database's",
        description="jobsched reckons with it; logs and handlers do not.",
    ),
)


def as_document(rules: Sequence[Rule] = RULES) -> dict[str, Any]:
    """The rule file."""
    return {
        "groups": [
            {
                "name": "jobsched",
                "rules": [
                    {
                        "alert": rule.alert,
                        "expr": rule.expr,
                        "for": rule.lasting,
                        "labels": {"severity": rule.severity},
                        "annotations": {"summary": rule.summary, "description": rule.description},
                    }
                    for rule in rules
                ],
            }
        ]
    }
