"""Alerts: what a node finds and notes, and how the runs that tell of it reach a receiver."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from jobsched.model.alert import AlertKind, Alerts, Notifier, Ping, Sla
from jobsched.model.handler import HttpHandler, PythonHandler
from jobsched.model.job import Retries
from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

SOON = timedelta(milliseconds=1)


class Received:
    """Messages that came, to be waited for."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._messages: list[dict[str, Any]] = []

    def add(self, message: dict[str, Any]) -> None:
        with self._came:
            self._messages.append(message)
            self._came.notify_all()

    def first(self, count: int = 1) -> list[dict[str, Any]]:
        with self._came:
            assert self._came.wait_for(lambda: len(self._messages) >= count, 30), self._messages
            return list(self._messages)


def told(bench: "Bench") -> tuple[Received, Notifier]:
    received = Received()

    @bench.handler
    def tell(**message: Any) -> None:
        received.add(message)

    return received, Notifier("ops", PythonHandler("tell"))


def failing(bench: "Bench", *, until: Callable[[], bool] = lambda: False) -> None:
    @bench.handler
    def work() -> None:
        if not until():
            raise ValueError("no invoice 7")


def test_a_run_that_fails_for_good_is_told_and_its_recovery_too(either_bench: "Bench") -> None:
    bench = either_bench
    received, ops = told(bench)
    mended = threading.Event()
    failing(bench, until=mended.is_set)
    bench.declare("work", alerts=Alerts((ops,), throttle=SOON))
    bench.node()

    failed = bench.ended(bench.trigger("work"))
    received.first()
    mended.set()
    won = bench.ended(bench.trigger("work"))

    first, second = received.first(2)
    assert (first["alert"], first["job"], first["notifier"]) == ("final_failure", "work", "ops")
    assert first["title"] == "jobsched: work failed for good"
    assert "no invoice 7" in first["text"]
    assert first["breaches"][0]["run"] == failed.id
    assert (second["alert"], second["breaches"][0]["run"]) == ("recovery", won.id)
    assert bench.store.open_breaches("default") == []


def test_what_happens_soon_after_a_message_waits_and_is_told_together(bench: "Bench") -> None:
    received, ops = told(bench)
    failing(bench)
    bench.declare("work", alerts=Alerts((ops,), throttle=timedelta(seconds=3)))
    bench.node()

    bench.ended(bench.trigger("work"))
    received.first()
    for _ in range(3):
        bench.ended(bench.trigger("work"))

    assert [message["count"] for message in received.first(2)] == [1, 3]


def test_a_job_that_is_stuck_or_without_success_is_told_while_it_runs(bench: "Bench") -> None:
    received, ops = told(bench)
    release = threading.Event()

    @bench.handler
    def hang() -> None:
        release.wait(30)

    sla = Sla(max_runtime=SOON, max_time_since_success=SOON)
    bench.declare("hang", alerts=Alerts((ops,), (AlertKind.STUCK, AlertKind.NO_SUCCESS), sla))
    run = bench.trigger("hang")
    node = bench.node()
    bench.eventually(run, RunState.RUNNING)
    node.alerts.look_now()

    try:
        messages = received.first(2)
    finally:
        release.set()
    assert {message["alert"] for message in messages} == {"stuck", "no_success"}


def test_an_alert_that_cannot_be_sent_is_tried_again_and_alerts_nobody_itself(bench: "Bench") -> None:
    _, _ = told(bench)
    failing(bench)
    nowhere = Notifier("nowhere", HttpHandler("http://127.0.0.1:9/"))
    bench.declare("work", alerts=Alerts((nowhere,), tuple(AlertKind), Sla(*[timedelta(days=1)] * 3)))
    bench.node()

    bench.ended(bench.trigger("work"))

    [first, *_] = alert_runs(bench, lambda runs: any(run.error for run in runs))
    assert first.job is None
    assert {group.last.job for group in bench.store.untold(["default"])} <= {"work"}


def test_an_http_receiver_gets_the_message_as_json(bench: "Bench") -> None:
    received = Received()
    failing(bench)
    with receiver(received) as url:
        bench.declare("work", alerts=Alerts((Notifier("hook", HttpHandler(url)),)), retries=Retries())
        bench.node()
        bench.trigger("work")

        [message] = received.first()

    assert message["title"] == "jobsched: work failed for good"
    assert message["text"].startswith(message["title"])


def test_a_url_is_pinged_when_a_run_succeeds_and_another_when_it_fails(bench: "Bench") -> None:
    received, mended = Received(), threading.Event()
    failing(bench, until=mended.is_set)
    with receiver(received) as url:
        bench.declare("work", ping=Ping(url, f"{url}/fail"))
        bench.node()
        failed = bench.ended(bench.trigger("work"))
        received.first()
        mended.set()
        won = bench.ended(bench.trigger("work"))
        first, second = received.first(2)

    assert (first["path"], first["run"], first["ok"], first["error"]) == (
        "/hook/fail",
        failed.id,
        False,
        "ValueError: no invoice 7",
    )
    assert (second["path"], second["run"], second["ok"]) == ("/hook", won.id, True)


def test_a_url_is_pinged_when_an_attempt_begins_and_the_run_does_not_wait_for_it(either_bench: "Bench") -> None:
    bench = either_bench
    received, release = Received(), threading.Event()

    @bench.handler
    def work() -> None:
        release.wait(30)

    with receiver(received) as url:
        bench.declare("work", ping=Ping(url, start=f"{url}/start"))
        bench.node()
        run = bench.trigger("work")
        [began] = received.first()
        release.set()
        bench.ended(run)
        ended = received.first(2)[1]

    assert (began["path"], began["run"], began["attempt"], began["ok"]) == ("/hook/start", run, 1, None)
    assert (ended["path"], ended["run"], ended["ok"]) == ("/hook", run, True)


def test_a_receiver_that_does_not_answer_delays_no_run(bench: "Bench") -> None:
    asked, release = threading.Semaphore(0), threading.Event()
    failing(bench)

    @bench.handler
    def hang(**_: Any) -> None:
        asked.release()
        release.wait(30)

    slow, other = Notifier("slow", PythonHandler("hang")), Notifier("other", PythonHandler("hang"))
    for name in ("first", "second", "third"):
        bench.declare(
            name, "work", alerts=Alerts((slow, other), throttle=timedelta(0)), ping=Ping(start="http://127.0.0.1:9/")
        )
    bench.node(threads=3)

    try:
        for name in ("first", "second", "third") * 2:
            bench.ended(bench.trigger(name))
        # Both receivers hang by now, with a thread each; the third thread is left.
        assert all(asked.acquire(timeout=30) for _ in range(2))
        ended = [bench.ended(bench.trigger(name)) for name in ("first", "second", "third")]
        assert {run.state for run in ended} == {RunState.FAILED}
        assert not asked.acquire(blocking=False), "no receiver has a second thread"
    finally:
        release.set()


def alert_runs(bench: "Bench", until: Callable[[list[Any]], bool]) -> list[Any]:
    from jobsched.model.run import RunFilter

    never = threading.Event()
    for _ in range(400):
        found = bench.store.runs(RunFilter(queue="alerts"))
        if until(found):
            return list(found)
        never.wait(0.05)
    raise AssertionError(found)


@contextmanager
def receiver(received: Received) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            received.add({**body, "path": self.path})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
