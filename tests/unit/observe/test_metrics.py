"""What is measured, as values and as text; no database and no node."""

import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from jobsched.cli.main import cli
from jobsched.errors import MissingExtraError, StoreUnavailableError
from jobsched.model.figures import JobFigures, Sizes
from jobsched.model.health import TableFacts
from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Reason, RunState
from jobsched.model.state import Node
from jobsched.observe.events import (
    Event,
    NodeLost,
    NodeStarted,
    ResultDropped,
    RunCancelled,
    RunFailed,
    RunGivenBack,
    RunLost,
    RunRetrying,
    RunSkipped,
    RunSnoozed,
    RunStarted,
    RunSucceeded,
)
from jobsched.observe.metrics import database, node
from jobsched.observe.metrics.cached import Cached
from jobsched.observe.metrics.database import NamespaceReading, Reading
from jobsched.observe.metrics.declared import METRICS
from jobsched.observe.metrics.exposition import Exposition
from jobsched.observe.metrics.limits import Limits
from jobsched.observe.metrics.metric import Distribution, Sample
from jobsched.observe.metrics.node import NodeReading
from jobsched.observe.metrics.rules import RULES, as_document
from jobsched.observe.metrics.server import application, serves
from jobsched.observe.metrics.tally import Tally
from jobsched.testing.builders import MINUTE, START
from jobsched.testing.clock import FakeClock

RUN: dict[str, Any] = {"run": 7, "namespace": "default", "job": "nightly", "handler": "a:b", "attempt": 1}
AD_HOC = {**RUN, "job": None}
STARTED = RunStarted(node=1, queue="mail", waited_seconds=0.2, late_seconds=3.0, **RUN)
FAILED = RunFailed(reason=Reason.TIMEOUT, error="no", seconds=2.0, **RUN)
LOST = RunLost(run=7, namespace="default", job="nightly", attempt=1, node=2, failed=True)
EACH_EVENT = (
    STARTED,
    RunSucceeded(seconds=0.5, **RUN),
    FAILED,
    RunRetrying(reason=Reason.ERROR, error="no", max_attempts=3, next_at=START, seconds=1.0, **RUN),
    RunCancelled(reason=Reason.REPLACED, error="no", **RUN),
    RunSnoozed(next_at=START, **RUN),
    RunGivenBack(**RUN),
    ResultDropped(**RUN),
    RunSkipped(run=8, namespace="default", job="nightly", scheduled_at=START, reason=Reason.OVERLAP),
    LOST,
    NodeLost(node=2, runs=1),
)
NODE = NodeReading(
    node_id=3,
    host="worker-1",
    version="1.0",
    threads=8,
    running=2,
    buffered=1,
    unwritten=4,
    abandoned=1,
    config_ok=False,
    config_stale=True,
    generations={"default": 5, "empty": None},
    skew_seconds=-0.5,
    heartbeat_age_seconds=1.5,
)
JOB = JobFigures(
    name="nightly", next_at=START + 2 * MINUTE, last_run_at=START, last_success_at=START - MINUTE, failing=True
)
NAMESPACE = NamespaceReading(
    name="default",
    generation=5,
    counts={("mail", RunState.PENDING): 3, ("default", RunState.RUNNING): 1},
    oldest={"mail": START - MINUTE},
    limits={"mail": QueueLimits(limit=4), "chat": QueueLimits(max_queued=10)},
    jobs=[JOB],
    pauses=Pauses([Pause(namespace="default", scope=PauseScope.QUEUE, name="mail", since=START, by="ana")]),
)
READING = Reading(
    now=START,
    took_seconds=0.25,
    namespaces=[NAMESPACE],
    nodes=[
        Node(
            id=number,
            host="worker-1",
            pid=1,
            version="1.0",
            started_at=START,
            heartbeat_at=START,
            alive=alive,
            namespaces=("default",),
            info={},
        )
        for number, alive in ((1, True), (2, True), (3, False))
    ],
    sizes=Sizes(
        bytes=4096,
        wal_bytes=512,
        tables=(TableFacts(name="jobsched_runs", live=10, dead=2, bytes=8192, vacuumed_at=None, autovacuum=True),),
    ),
)


def tallied(*events: Event, limits: Limits | None = None) -> Tally:
    tally = Tally(limits or Limits())
    for event in events:
        tally.hear(event)
    return tally


def of_database(reading: Reading | None, limits: Limits | None = None) -> list[Sample]:
    return list(database.samples(reading, limits or Limits()))


def values(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    """(name, labels) → value, of what is no histogram."""
    return {
        (sample.metric.name, *sample.labels): sample.value
        for sample in samples
        if not isinstance(sample.value, Distribution)
    }


def everything() -> Exposition:
    return Exposition(tallied(*EACH_EVENT).samples, lambda: node.samples(NODE), lambda: of_database(READING))


def scraped(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parsed(text.decode())
        for sample in family.samples
    }


# -- what is declared


def test_every_declared_metric_is_told_of() -> None:
    told = {family.name for family in everything().collect()}

    assert [metric.name for metric in METRICS if metric.name.removesuffix("_total") not in told] == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_has_it(metric: Any) -> None:
    assert re.fullmatch(r"jobsched(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert not re.search(r"_(ms|minutes|hours|kb|mb)(_|$)", metric.name)
    # Prometheus gives its targets these labels itself.
    assert not {"job", "instance", "node", "le"} & set(metric.labels)
    assert metric.help.endswith(".")


def test_each_value_has_a_value_for_each_label() -> None:
    samples = [*tallied(*EACH_EVENT).samples(), *node.samples(NODE), *of_database(READING)]

    assert [sample for sample in samples if len(sample.labels) != len(sample.metric.labels)] == []


# -- what a node counts


def test_events_are_counted_by_job_state_and_reason() -> None:
    found = values(tallied(*EACH_EVENT, STARTED, NodeStarted(node=1, namespaces=(), threads=1, database="x")).samples())

    who = ("default", "nightly", "")
    assert found == {
        ("jobsched_attempts_started_total", *who): 2,
        ("jobsched_runs_finished_total", *who, "failed", "error"): 0,
        ("jobsched_runs_finished_total", *who, "succeeded", ""): 1,
        ("jobsched_runs_finished_total", *who, "failed", "timeout"): 1,
        ("jobsched_runs_finished_total", *who, "failed", "lost"): 1,
        ("jobsched_runs_finished_total", *who, "cancelled", "replaced"): 1,
        ("jobsched_retries_total", *who, "error"): 1,
        ("jobsched_snoozes_total", *who): 1,
        ("jobsched_runs_given_back_total", *who): 1,
        ("jobsched_results_dropped_total", *who): 1,
        ("jobsched_runs_skipped_total", "default", "nightly", "overlap"): 1,
        ("jobsched_runs_lost_total", "default", "nightly"): 1,
        ("jobsched_nodes_lost_total",): 1,
    }


def test_a_failure_can_be_seen_to_increase_from_nought() -> None:
    started = values(tallied(STARTED).samples())

    assert started["jobsched_runs_finished_total", "default", "nightly", "", "failed", "error"] == 0


def test_a_lost_run_that_goes_on_is_not_finished() -> None:
    found = values(tallied(replace(LOST, failed=False), replace(LOST, failed=False, cancelled=True)).samples())

    finished = {labels: count for labels, count in found.items() if labels[0] == "jobsched_runs_finished_total"}
    assert finished == {("jobsched_runs_finished_total", "default", "nightly", "", "cancelled", "cancelled"): 1}


@pytest.mark.parametrize(
    ("handler", "shown"),
    [("mail.send", "mail.send"), ('{"command":["curl","secret"]}', "command"), ('{"http":{"url":"x"}}', "http")],
)
def test_an_ad_hoc_run_is_known_by_its_handler_and_a_command_by_its_kind_alone(handler: str, shown: str) -> None:
    found = values(tallied(RunSucceeded(**{**AD_HOC, "handler": handler})).samples())

    assert found["jobsched_runs_finished_total", "default", "", shown, "succeeded", ""] == 1


def test_durations_waits_and_lateness_fall_into_buckets() -> None:
    found = scraped(Exposition(tallied(STARTED, FAILED, replace(FAILED, seconds=None)).samples).text()[0])

    def of(name: str, **labels: str) -> float:
        return found[name, frozenset({"namespace": "default", **labels}.items())]

    job, queue = {"job_name": "nightly"}, {"queue": "mail"}
    assert [of("jobsched_slot_late_seconds_bucket", le=le, **job) for le in ("2.5", "5.0", "+Inf")] == [0, 1, 1]
    assert [of("jobsched_queue_wait_seconds_bucket", le=le, **queue) for le in ("0.1", "0.25", "+Inf")] == [0, 1, 1]
    assert of("jobsched_attempt_duration_seconds_count", handler="", **job) == 1
    assert of("jobsched_attempt_duration_seconds_sum", handler="", **job) == 2.0


def test_a_value_on_a_bound_is_below_it() -> None:
    seen = Distribution((1.0, 2.0))
    for value in (0.0, 1.0, 1.5, 2.0, 9.0):
        seen.add(value)

    assert (seen.counts, seen.sum) == ([2, 2, 1], 13.5)


def test_beyond_the_limit_jobs_share_a_series() -> None:
    events = [RunSucceeded(**{**RUN, "job": f"job-{number}"}) for number in (1, 2, 3, 4, 1)]

    found = values(tallied(*events, limits=Limits(2)).samples())

    assert {labels[2]: count for labels, count in found.items() if len(labels) > 2} == {
        "job-1": 2,
        "job-2": 1,
        "_other": 2,
    }


def test_handlers_and_queues_are_limited_too() -> None:
    events: list[Event] = [
        replace(STARTED, job=None, handler=f"h{number}", queue=f"q{number}", late_seconds=None) for number in range(5)
    ]

    tally = tallied(*events, limits=Limits(3))

    assert len({sample.labels for sample in tally.samples() if sample.metric.name.startswith("jobsched_queue")}) == 4
    assert len({sample.labels for sample in tally.samples() if "started" in sample.metric.name}) == 4


# -- what a database tells


def test_a_database_is_told_of_by_namespace_queue_and_job() -> None:
    found = values(of_database(READING))

    assert found["jobsched_nodes", "default", "alive"] == 2
    assert found["jobsched_nodes", "default", "dead"] == 1
    assert found["jobsched_pauses", "default", "queue"] == 1
    assert found["jobsched_pauses", "default", "all"] == 0
    assert found["jobsched_queue_runs", "default", "mail", "pending"] == 3
    assert found["jobsched_queue_runs", "default", "mail", "running"] == 0
    assert found["jobsched_queue_oldest_pending_seconds", "default", "mail"] == 60
    assert found["jobsched_queue_oldest_pending_seconds", "default", "default"] == 0
    assert found["jobsched_queue_limit", "default", "mail"] == 4
    assert ("jobsched_queue_limit", "default", "chat") not in found
    assert found["jobsched_job_next_slot_timestamp_seconds", "default", "nightly"] == START.timestamp() + 120
    assert found["jobsched_job_last_success_timestamp_seconds", "default", "nightly"] == START.timestamp() - 60
    assert found["jobsched_job_failing", "default", "nightly"] == 1
    assert found["jobsched_table_dead_rows", "jobsched_runs"] == 2


def test_a_job_that_never_ran_has_no_instants_of_runs() -> None:
    never = replace(JOB, last_run_at=None, last_success_at=None, failing=False)

    found = values(of_database(replace(READING, namespaces=[replace(NAMESPACE, jobs=[never])])))

    assert {labels[0] for labels in found if "nightly" in labels} == {
        "jobsched_job_next_slot_timestamp_seconds",
        "jobsched_job_failing",
    }


def test_the_next_slot_of_a_paused_job_is_not_told_of() -> None:
    paused = Pauses([Pause(namespace="default", scope=PauseScope.ALL, since=START, by="ana")])

    found = values(of_database(replace(READING, namespaces=[replace(NAMESPACE, pauses=paused)])))

    assert ("jobsched_job_next_slot_timestamp_seconds", "default", "nightly") not in found
    assert found["jobsched_pauses", "default", "all"] == 1


def test_jobs_that_share_a_series_show_the_earliest_instants_and_whether_one_fails() -> None:
    jobs = [
        replace(JOB, name=f"job-{number}", next_at=START + number * MINUTE, failing=number == 3) for number in (1, 2, 3)
    ]

    found = values(of_database(replace(READING, namespaces=[replace(NAMESPACE, jobs=jobs)]), Limits(1)))

    assert found["jobsched_job_next_slot_timestamp_seconds", "default", "_other"] == START.timestamp() + 120
    assert found["jobsched_job_failing", "default", "_other"] == 1
    assert found["jobsched_job_failing", "default", "job-1"] == 0
    assert found["jobsched_jobs", "default"] == 3


def test_queues_that_share_a_series_are_summed() -> None:
    counts = {(f"q{number}", RunState.PENDING): number for number in range(1, 6)}
    oldest = {f"q{number}": START - number * MINUTE for number in range(1, 6)}
    reading = replace(
        READING, namespaces=[replace(NAMESPACE, counts=counts, oldest=oldest, limits={"q5": QueueLimits(limit=2)})]
    )

    found = values(of_database(reading, Limits(2)))

    pending = {labels[2]: n for labels, n in found.items() if labels[0] == "jobsched_queue_runs" and n}
    assert pending == {"q1": 1, "_other": 14}
    assert found["jobsched_queue_oldest_pending_seconds", "default", "_other"] == 300
    assert ("jobsched_queue_limit", "default", "q5") not in found


def test_a_queue_that_was_seen_is_told_of_when_it_is_empty() -> None:
    limits = Limits()
    of_database(READING, limits)

    found = values(
        of_database(replace(READING, namespaces=[replace(NAMESPACE, counts={}, oldest={}, limits={})]), limits)
    )

    assert found["jobsched_queue_runs", "default", "mail", "pending"] == 0
    assert found["jobsched_queue_oldest_pending_seconds", "default", "mail"] == 0


def test_of_a_database_that_is_away_it_is_said_that_it_is() -> None:
    assert values(of_database(None)) == {("jobsched_database_up",): False}


class _Database:
    """One that is read; how often, and what it answers."""

    def __init__(self, *answers: Reading | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    def read(self) -> Reading:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_database_is_not_read_again_while_its_figures_are_fresh() -> None:
    clock, asked = FakeClock(), _Database(READING, READING)
    cached = Cached(asked.read, clock)

    first = cached.reading()
    clock.advance(14)
    second = cached.reading()
    clock.advance(2)
    cached.reading()

    assert (first, second, asked.asked) == (READING, READING, 2)


def test_figures_that_take_long_to_read_are_read_the_more_seldom() -> None:
    clock, asked = FakeClock(), _Database(replace(READING, took_seconds=5.0), READING)
    cached = Cached(asked.read, clock)

    cached.reading()
    clock.advance(99)
    cached.reading()

    assert asked.asked == 1


@pytest.mark.parametrize("trouble", [StoreUnavailableError("away"), ValueError("a surprise")], ids=str)
def test_a_database_that_was_away_is_asked_again_soon(trouble: Exception) -> None:
    clock, asked = FakeClock(), _Database(trouble, READING)
    cached = Cached(asked.read, clock)

    away, still = cached.reading(), cached.reading()
    clock.advance(6)

    assert (away, still, asked.asked) == (None, None, 1)
    assert cached.reading() is READING


def test_a_scrape_does_not_wait_for_a_database_that_hangs() -> None:
    clock, hangs, let = FakeClock(), threading.Event(), threading.Event()

    def read() -> Reading:
        hangs.set()
        let.wait(60)
        return READING

    def pass_time() -> None:
        hangs.wait(60)
        while not let.wait(0.01):
            clock.advance(1)

    cached = Cached(read, clock)
    threading.Thread(target=pass_time).start()

    answered = cached.reading()
    let.set()

    assert answered is None


# -- the text


def test_the_text_is_what_prometheus_reads() -> None:
    text, kind = everything().text()

    assert kind.startswith("text/plain")
    assert scraped(text)["jobsched_database_up", frozenset()] == 1


def test_whoever_asks_for_openmetrics_gets_them() -> None:
    text, kind = everything().text("application/openmetrics-text; version=1.0.0")

    assert kind.startswith("application/openmetrics-text")
    assert len(list(openmetrics(text.decode()))) == len(METRICS)  # type: ignore[no-untyped-call]


def test_odd_names_are_escaped() -> None:
    odd = 'a"b\\c\nd{}=ä'

    text, _ = Exposition(tallied(RunSucceeded(**{**AD_HOC, "handler": odd})).samples).text()

    labels = {"namespace": "default", "job_name": "", "handler": odd, "state": "succeeded", "reason": ""}
    assert scraped(text)["jobsched_runs_finished_total", frozenset(labels.items())] == 1


# -- who may ask


@pytest.mark.parametrize(
    ("header", "answered"),
    [
        ("localhost:9464", True),
        ("127.0.0.1", True),
        ("[::1]:9464", True),
        ("10.0.0.7:9464", True),
        ("Node1.Internal:9464", True),
        ("evil.example:9464", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_a_request_for_another_name_is_refused(header: str, answered: bool) -> None:
    assert serves(header, {"node1.internal"}) is answered


def test_a_star_is_every_name() -> None:
    assert serves("anything.example", {"*"})


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/metrics", "localhost", "200 OK"),
        ("HEAD", "/metrics", "localhost", "200 OK"),
        ("GET", "/", "localhost", "404 Not Found"),
        ("POST", "/metrics", "localhost", "405 Method Not Allowed"),
        ("GET", "/metrics", "evil.example", "400 Bad Request"),
    ],
)
def test_a_server_has_one_page(method: str, path: str, host: str, status: str) -> None:
    said: list[str] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": host}

    body = application(lambda _: (b"text\n", "text/plain"))(environ, lambda line, _: said.append(line))

    assert said == [status]
    assert (b"".join(body) == b"text\n") == ((method, status) == ("GET", "200 OK"))


def test_a_collector_that_raises_is_answered_with_500() -> None:
    said: list[str] = []

    def scrape(_accept: str) -> tuple[bytes, str]:
        raise ValueError("no")

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "HTTP_HOST": "localhost"}
    application(scrape)(environ, lambda line, _: said.append(line))

    assert said == ["500 Internal Server Error"]


# -- alerting rules


def test_rules_speak_of_metrics_and_labels_that_there_are() -> None:
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    labels |= {f"{metric.name}_bucket": {*metric.labels, "le"} for metric in METRICS if metric.buckets}

    for rule in RULES:
        named = re.findall(r"\bjobsched_\w+", rule.expr)
        asked = re.findall(r"by \(([^)]*)\)", rule.expr) + re.findall(r"\{([^}]*)\}", rule.expr)
        known = {"instance", *(label for name in named for label in labels[name])}
        words = {word.split("=")[0].strip() for group in asked for word in group.split(",")}

        assert named, rule.alert
        assert words | set(re.findall(r"\$labels\.(\w+)", rule.summary + rule.description)) <= known, rule.alert


def test_rules_are_a_file_as_promtool_wants_it() -> None:
    answer = CliRunner().invoke(cli, ["metrics", "--rules"])

    document = yaml.safe_load(answer.stdout)
    assert (answer.exit_code, document) == (0, as_document())
    [group] = document["groups"]
    assert set(group) == {"name", "rules"}
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Za-z]\w*", rule["alert"])
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])


def test_what_is_missing_for_metrics_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(MissingExtraError, match=re.escape("pip install 'jobsched[metrics]'")):
        Exposition()


def test_queries_of_the_page_speak_of_metrics_that_there_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    exposed = {sample.name for family in everything().collect() for sample in family.samples}

    named = set(re.findall(r"\bjobsched_[a-z_]+", page.partition("## Queries")[2]))

    assert named - {"jobsched_runs_finished_total"} != set()
    assert named <= exposed
