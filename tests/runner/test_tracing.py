"""Spans around attempts, in the trace of whoever enqueued their runs."""

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from tests.runner.conftest import Bench

from jobsched import AsyncClient, Cancel, Snooze
from jobsched.errors import MissingExtraError
from jobsched.handlers.tracing import tracing
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Retries
from jobsched.model.run import RunState

ONE_MORE = Retries(max=1, delay=timedelta(milliseconds=10))


class Traces:
    """A provider, and the spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def traces() -> Iterator[Traces]:
    made = Traces()
    yield made
    made.provider.shutdown()


def test_an_attempt_goes_on_in_the_trace_of_whoever_enqueued_it(either_bench: Bench, traces: Traces) -> None:
    bench = either_bench

    @bench.handler
    def work() -> str:
        return f"{get_current_span().get_span_context().trace_id:032x}"

    node = bench.node()
    node.use(tracing(traces.provider))
    with traces.tracer.start_as_current_span("request") as request:
        made = bench.client.enqueue("work")

    seen = bench.ended(made.id).result

    [performed] = traces.named("perform work")
    context = request.get_span_context()
    assert seen == f"{context.trace_id:032x}"
    assert performed.parent is not None
    assert performed.parent.span_id == context.span_id
    assert performed.kind is SpanKind.CONSUMER
    assert dict(performed.attributes or {}) == {
        "jobsched.run_id": made.id,
        "jobsched.namespace": "default",
        "jobsched.handler": "work",
        "jobsched.attempt": 1,
        "jobsched.max_attempts": 1,
    }


def test_each_attempt_has_a_span_and_one_that_fails_its_error(bench: Bench, traces: Traces) -> None:
    failed = threading.Event()

    @bench.handler
    def work() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("no")

    bench.declare("work", retries=ONE_MORE)
    bench.node().use(tracing(traces.provider))
    with traces.tracer.start_as_current_span("request"):
        run_id = bench.trigger("work")

    bench.ended(run_id)

    first, second = traces.named("perform work")
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert [event.name for event in first.events] == ["exception"]
    assert first.parent == second.parent is not None


def test_a_run_that_a_handler_enqueues_is_a_child_of_its_attempt(bench: Bench, traces: Traces) -> None:
    @bench.handler
    def outer() -> int:
        return bench.client.enqueue("inner").id

    @bench.handler
    def inner() -> None: ...

    bench.node().use(tracing(traces.provider))
    bench.ended(bench.ended(bench.client.enqueue("outer").id).result)

    [of_outer], [of_inner] = traces.named("perform outer"), traces.named("perform inner")
    assert of_outer.parent is None
    assert of_inner.parent is not None
    assert of_outer.context is not None
    assert of_inner.parent.span_id == of_outer.context.span_id


@pytest.mark.parametrize(
    ("wish", "state"), [(Cancel("enough"), RunState.CANCELLED), (Snooze(3600), RunState.SCHEDULED)]
)
def test_what_a_handler_wishes_for_is_no_error(bench: Bench, traces: Traces, wish: Exception, state: RunState) -> None:
    @bench.handler
    def work() -> None:
        raise wish

    bench.node().use(tracing(traces.provider))
    made = bench.client.enqueue("work")
    bench.eventually(made.id, state)

    [span] = traces.named("perform work")
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["jobsched.wish"] == type(wish).__name__.lower()


def test_a_command_shows_its_kind_alone(bench: Bench, traces: Traces) -> None:
    bench.declare("clean", performs=CommandHandler(("true", "secret")))
    bench.node().use(tracing(traces.provider))

    bench.ended(bench.trigger("clean"))

    [span] = traces.named("perform clean")
    assert (span.attributes or {})["jobsched.handler"] == "command"


def test_without_a_span_nothing_is_stored(bench: Bench, traces: Traces) -> None:
    @bench.handler
    def work() -> None: ...

    bench.node().use(tracing(traces.provider))
    bench.ended(bench.client.enqueue("work").id)

    [span] = traces.named("perform work")
    assert span.parent is None


def test_what_is_enqueued_on_asyncio_goes_on_in_its_trace(bench: Bench, traces: Traces) -> None:
    @bench.handler
    def work() -> None: ...

    async def main() -> int:
        with traces.tracer.start_as_current_span("request"):
            return (await AsyncClient(bench.client.store).enqueue("work")).id

    bench.node().use(tracing(traces.provider))
    bench.ended(asyncio.run(main()))

    [span], [request] = traces.named("perform work"), traces.named("request")
    assert span.parent is not None
    assert request.context is not None
    assert span.parent.span_id == request.context.span_id


def test_what_is_missing_for_spans_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(MissingExtraError, match=re.escape("pip install 'jobsched[otel]'")):
        tracing()
