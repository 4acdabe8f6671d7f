"""What a node answers a scrape with, while it works."""

import threading
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed
from tests.runner.conftest import QUICK, Bench

from jobsched import Context
from jobsched.errors import StoreUnavailableError
from jobsched.model.job import Retries, Timeout
from jobsched.observe.events import RunStarted
from jobsched.observe.metrics.database_metrics import DatabaseMetrics
from jobsched.runner.metrics import NodeMetrics
from jobsched.runner.runner import Runner
from jobsched.testing.builders import a_node, claim

ONE_MORE = Retries(max=1, delay=timedelta(milliseconds=10))


class Scraped:
    """A runner that has not started, and what it answers scrapes with."""

    def __init__(self, bench: Bench, **options: Any) -> None:
        self.runner = Runner(bench.client, options=QUICK, registry=bench.registry, namespaces=["default"])
        self.metrics = NodeMetrics(self.runner, **options)
        bench.nodes.append(self.runner)

    def value(self, name: str, **labels: str) -> float | None:
        text, _ = self.metrics.text()
        for family in parsed(text.decode()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    def eventually(self, wanted: float, name: str, **labels: str) -> None:
        """Listeners are told a moment later."""
        never = threading.Event()
        for _ in range(400):
            if self.value(name, **labels) == wanted:
                return
            never.wait(0.05)
        raise AssertionError(f"{name}{labels} never was {wanted}, but {self.value(name, **labels)}")


def test_attempts_and_their_ends_are_counted(bench: Bench) -> None:
    @bench.handler
    def fail(ctx: Context) -> None:
        raise ValueError("no")

    bench.declare("fail", retries=ONE_MORE)
    scraped = Scraped(bench)
    scraped.runner.start()

    bench.ended(bench.trigger("fail"))

    of_job = {"namespace": "default", "job_name": "fail", "handler": ""}
    scraped.eventually(1, "jobsched_runs_finished_total", state="failed", reason="error", **of_job)
    assert scraped.value("jobsched_attempts_started_total", **of_job) == 2
    assert scraped.value("jobsched_retries_total", reason="error", **of_job) == 1
    assert scraped.value("jobsched_attempt_duration_seconds_count", **of_job) == 2
    assert scraped.value("jobsched_queue_wait_seconds_count", queue="default") == 2
    assert scraped.value("jobsched_job_failing", job_name="fail") == 1


def test_a_slot_is_counted_with_how_late_it_began(bench: Bench) -> None:
    @bench.handler
    def tick() -> None: ...

    bench.declare("tick", every=timedelta(seconds=1))
    scraped = Scraped(bench)
    started = threading.Event()
    scraped.runner.on(RunStarted, lambda _: started.set())
    scraped.runner.start()

    assert started.wait(20)

    assert (scraped.value("jobsched_slot_late_seconds_count", job_name="tick") or 0) >= 1


def test_a_scrape_says_how_the_node_is(bench: Bench) -> None:
    let = threading.Event()
    began = threading.Event()

    @bench.handler
    def work() -> None:
        began.set()
        let.wait(60)

    scraped = Scraped(bench)
    scraped.runner.start()
    run = bench.client.enqueue("work")
    assert began.wait(20)

    running = scraped.value("jobsched_node_running_runs")
    node_id = str(scraped.runner.heartbeat.node)
    known = scraped.value("jobsched_node_info", node_id=node_id)
    age = scraped.value("jobsched_node_heartbeat_age_seconds")
    let.set()
    bench.ended(run.id)

    assert (running, known, scraped.value("jobsched_node_threads")) == (1, 1, 4)
    assert age is not None
    assert 0 <= age < 60
    assert scraped.value("jobsched_node_config_ok") is None


def test_a_thread_that_is_given_up_shows(bench: Bench) -> None:
    let = threading.Event()

    @bench.handler
    def hang() -> None:
        let.wait(60)

    bench.declare("hang", timeout=Timeout(timedelta(milliseconds=50), timedelta(milliseconds=50)))
    scraped = Scraped(bench)
    scraped.runner.start()
    bench.ended(bench.trigger("hang"))

    try:
        scraped.eventually(1, "jobsched_runs_finished_total", job_name="hang", state="failed", reason="timeout")
        assert scraped.value("jobsched_node_abandoned_threads") == 1
        assert scraped.value("jobsched_attempt_duration_seconds_count", job_name="hang") == 1
    finally:
        let.set()


def test_a_dead_node_is_counted_by_who_finds_it(bench: Bench) -> None:
    @bench.handler
    def work() -> None: ...

    bench.declare("work")
    run_id = bench.trigger("work")
    dead = a_node(bench.client.store, lease=timedelta(seconds=1))
    assert len(claim(bench.client.store, dead)) == 1
    scraped = Scraped(bench)
    scraped.runner.start()
    bench.ended(run_id)

    scraped.eventually(1, "jobsched_nodes_lost_total")
    scraped.eventually(1, "jobsched_runs_lost_total", job_name="work")


def test_what_the_database_has_is_there_at_the_first_scrape(either_bench: Bench) -> None:
    bench = either_bench

    @bench.handler
    def work() -> None: ...

    bench.declare("work", cron=("0 3 1 1 *",))
    node = bench.node()
    bench.ended(bench.trigger("work"))
    node.shut_down()

    # A node that has just begun: it has counted nothing, and the job's times are there.
    scraped = Scraped(bench)

    success = scraped.value("jobsched_job_last_success_timestamp_seconds", namespace="default", job_name="work")
    following = scraped.value("jobsched_job_next_slot_timestamp_seconds", namespace="default", job_name="work")
    now = bench.client.store.now().timestamp()
    assert success is not None
    assert following is not None
    assert now - 600 < success <= now < following
    assert scraped.value("jobsched_job_failing", job_name="work") == 0
    assert scraped.value("jobsched_generation", namespace="default") == 1
    assert scraped.value("jobsched_database_size_bytes") != 0
    assert scraped.value("jobsched_queue_runs", queue="default", state="pending") == 0


def test_a_scrape_is_answered_while_the_database_is_away(bench: Bench) -> None:
    scraped = Scraped(bench)
    bench.store.fail("job_figures", StoreUnavailableError("away"))

    assert scraped.value("jobsched_database_up") == 0
    assert scraped.value("jobsched_nodes") is None
    assert scraped.value("jobsched_node_threads") == 4


def test_a_program_shows_them_among_its_own(bench: Bench) -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders.", registry=registry).inc()
    registry.register(Scraped(bench).metrics)

    names = {family.name for family in parsed(generate_latest(registry).decode())}

    assert {"orders", "jobsched_node_threads"} <= names


def test_a_program_without_a_node_tells_of_its_database(bench: Bench) -> None:
    bench.client.enqueue("work", queue="mail")

    text, _ = DatabaseMetrics(bench.client.store, ["default"]).text()

    found = {sample.name: sample.value for family in parsed(text.decode()) for sample in family.samples}
    assert found["jobsched_database_up"] == 1
    assert found["jobsched_queue_oldest_pending_seconds"] >= 0


def test_metrics_of_handlers_stand_below_those_of_the_node(bench: Bench) -> None:
    registry = CollectorRegistry()
    sent = Counter("mails_sent", "Mails.", registry=registry)

    @bench.handler
    def send() -> None:
        sent.inc()

    scraped = Scraped(bench, beside=[registry])
    scraped.runner.start()
    bench.ended(bench.client.enqueue("send").id)

    assert scraped.value("mails_sent_total") == 1
