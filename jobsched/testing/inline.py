"""Runs performed in the thread of a test: a node without threads, and one handler without a node."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from jobsched.async_client import AsyncClient
from jobsched.client import Client
from jobsched.clock import Clock, SystemClock
from jobsched.errors import Cancel, HandlerExitError, RemoteError, Retry, Snooze
from jobsched.handlers.call import Call
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.middleware import Middleware, within
from jobsched.handlers.parameters import parameters_of
from jobsched.handlers.python import perform_python
from jobsched.handlers.registry import RegisteredHandler, Registry, default_registry
from jobsched.model.handler import PythonHandler
from jobsched.model.options import declared_names
from jobsched.model.payload import Model, payload_of
from jobsched.model.run import Claim, RunState
from jobsched.observe.runlog import RunLog
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.store.port import ClaimWish
from jobsched.testing.clock import FakeClock, PassingClock
from jobsched.testing.runs import Runs

#: No heartbeat renews the lease of a node that lives for a moment: it outlasts all time that a test lets pass, or the test.
_FOREVER, _LONG = timedelta(days=36500), timedelta(hours=1)
#: What a drain performs before it suspects that handlers enqueue each other without end.
MOST_RUNS = 10_000


def drain(
    client: Client | AsyncClient,
    *,
    raises: bool = True,
    use: Sequence[Middleware] = (),
    registry: Registry | None = None,
) -> Runs:
    """Perform what is due, and what that enqueues, in this thread, one after the other, as a node does; the runs, in that order.

    A retry that is to come later waits for that: see `Sandbox`, which can let time pass. `raises`: what a handler raises
    is raised here too, once its run says so; Retry, Snooze and Cancel are not. `use`: middleware, the outermost first.
    """
    with Inline(client, SystemClock(), use=use, registry=registry) as node:
        node.drain(raises=raises)
        return node.performed


def perform(
    handler: str | Callable[..., Any],
    payload: Mapping[str, Any] | Model | None = None,
    *,
    attempt: int = 1,
    max_attempts: int = 1,
    job: str | None = None,
    scheduled_at: datetime | None = None,
    use: Sequence[Middleware] = (),
) -> Any:
    """Perform a handler here and now, without a database: its result as JSON. Raises what it raises, PayloadError, ResultError.

    Payload and result are turned into JSON and back, as if they had been stored; what it waits for by its context has
    passed at once; what it says to `ctx.log` is printed.
    """
    found = default_registry.resolve(handler) if isinstance(handler, str) else _of_function(handler)
    clock = PassingClock(FakeClock())
    call = Call(
        run_id=1,
        namespace="default",
        job=job,
        attempt=attempt,
        max_attempts=max(attempt, max_attempts),
        scheduled_at=scheduled_at,
        payload=json.loads(json.dumps(payload_of(payload))),
        handler=PythonHandler(found.name),
        timeout=None,
        env={},
        cwd=None,
        cancel=CancelToken(clock),
        log=_Printed(),
    )
    return within(use, call, lambda: perform_python(call, found, clock))


class Inline:
    """A node that works when it is told to, in the thread that tells it; from `with` until the end of the block."""

    def __init__(
        self,
        client: Client | AsyncClient,
        clock: Clock,
        *,
        use: Sequence[Middleware] = (),
        registry: Registry | None = None,
    ) -> None:
        """With a PassingClock deadlines are kept as time passes; with any other by a thread, as in a node."""
        self.client = client.client if isinstance(client, AsyncClient) else client
        lease = _FOREVER if isinstance(clock, PassingClock) else _LONG
        # No other node will do what this one cannot: it is not left to anybody.
        options = Options(threads=1, heartbeat=lease / 3, lease=lease, unknown_handler_patience=timedelta(0))
        self._runner = Runner(
            self.client, options=options, registry=registry, namespaces=[self.client.namespace], clock=clock
        )
        self._clock, self._store = clock, self.client.store
        self._performed: dict[int, None] = {}
        #: What the last attempt of a run has raised, if it came as far as its handler.
        self._raised: dict[int, BaseException | None] = {}
        for middleware in (self._note, *use):
            self._runner.use(middleware)

    def __enter__(self) -> Self:
        _refuse_running_loop()
        self._runner.heartbeat.register()
        if isinstance(self._clock, PassingClock):
            self._clock.heed = self._runner.deadlines.step
        else:
            self._runner.deadlines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.deadlines.stop()
        self._runner.completer.flush()
        self._store.leave(self._runner.heartbeat.node)
        self._runner.events.close()

    def drain(self, *, raises: bool) -> None:
        """See the function of this name; `performed` has what it did."""
        for _ in range(MOST_RUNS):
            run_id = self._step()
            if run_id is None:
                return
            self._performed[run_id] = None
            raised = self._what_failed(run_id)
            if raised is not None and (raises or isinstance(raised, KeyboardInterrupt)):
                raise raised
        raise RuntimeError(
            f"{MOST_RUNS:,} runs were performed, and more are due: is there a handler that enqueues itself?"
        )

    @property
    def performed(self) -> Runs:
        """The runs as they are now, each once, in the order of their first attempt here."""
        return Runs(self.client.run(each) for each in self._performed)

    def next_at(self) -> datetime | None:
        """When there will be something to do, after now: a scheduled run, a slot, the end of a pause, a start that the rate
        of a queue allows; None: never.
        """
        namespaces, now = [self.client.namespace], self._clock.now()
        moments = [self._store.promote(namespaces, 1).next_at, self._store.next_due(namespaces)]
        moments += [pause.until for pause in self._store.pauses(namespaces)]
        moments += self._store.next_places(namespaces).values()
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    def _step(self) -> int | None:
        """Perform the next run that is due; its id, or None if there is none."""
        claimed = self._claim()
        if claimed is None:
            self._look_for_work()
            claimed = self._claim()
        if claimed is None:
            return None
        held = Held(claimed, CancelToken(self._clock), RunLog(claimed.id, claimed.attempt, self._clock))
        self._runner.held.add([held])
        self._runner.executor.perform(held)
        self._runner.completer.flush()
        return claimed.id

    def _look_for_work(self) -> None:
        self._runner.definitions.refresh()
        self._runner.scheduler.fire_all_due()
        # It goes by time and by what it is told; here time stands still, and runs are claimed behind its back.
        self._runner.admission.sweep()
        self._runner.admission.step()

    def _claim(self) -> Claim | None:
        """One at a time: what a handler pauses, cancels or puts before others holds from the next run on."""
        self._runner.pauses.step()
        wish = ClaimWish(
            node=self._runner.heartbeat.node,
            generations=self._runner.definitions.generations,
            limit=1,
            without_handlers=self._runner.dispatcher.lacking,
            paused=self._runner.pauses.of_queues,
        )
        claims = self._store.claim(wish)
        return claims[0] if claims else None

    def _what_failed(self, run_id: int) -> BaseException | None:
        if run_id in self._raised:
            raised = _as_raised(self._raised.pop(run_id))
            return raised and raised.with_traceback(_from_the_handler(raised.__traceback__))
        # There is no such handler, or its definition cannot be read.
        run = self.client.run(run_id)
        return RemoteError(run.error[-1], [run.error[-1]["type"]]) if run.state is RunState.FAILED else None

    def _note(self, call: Call, perform: Callable[[], Any]) -> Any:
        """The middleware that is the outermost of all."""
        self._raised[call.run_id] = None
        try:
            return perform()
        except (Retry, Snooze, Cancel):
            raise
        except BaseException as raised:
            self._raised[call.run_id] = raised
            raise


def _as_raised(error: BaseException | None) -> BaseException | None:
    """A node takes Ctrl-C, and how pytest fails or skips a test, for a handler that wants to end its process; a test does not."""
    if isinstance(error, HandlerExitError) and not isinstance(error.__cause__, SystemExit):
        return error.__cause__ or error
    return error


def _from_the_handler(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames that lead from here to the handler, or to the middleware around it: a test's reader knows them."""
    found = trace
    while found is not None and found.tb_frame.f_globals.get("__name__", "").startswith("jobsched."):
        found = found.tb_next
    return found or trace


class _Printed:
    """A run's log that is shown, so that pytest has it when a test fails."""

    def write(self, _stream: str, text: str) -> None:
        sys.stdout.write(text)


def _of_function(function: Callable[..., Any]) -> RegisteredHandler:
    name = declared_names.get(function) or f"{function.__module__}:{function.__qualname__}"
    return RegisteredHandler(name, function, parameters_of(function))


def _refuse_running_loop() -> None:
    """An `async` handler needs an event loop of its own, and a thread has one at most."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "an event loop runs in this thread; say: await asyncio.to_thread(…), with what performs the runs"
    )
