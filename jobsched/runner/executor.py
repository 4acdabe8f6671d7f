"""Executor: one attempt from claim to transition, as a straight pipeline in a thread of the pool."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.config.variables import resolve
from jobsched.errors import (
    Cancel,
    HandlerTimeoutError,
    PayloadError,
    ResultError,
    Retry,
    Snooze,
    StoreUnavailableError,
    UnknownHandlerError,
)
from jobsched.handlers.call import Call, perform, perform_in_thread
from jobsched.handlers.context import Context
from jobsched.handlers.middleware import Middleware, within
from jobsched.handlers.raised import error_entry, names_of, text_of
from jobsched.handlers.registry import RegisteredHandler, Registry
from jobsched.model.handler import Handler, NotifyHandler, PythonHandler, handler_from_text
from jobsched.model.job import Job, Retries
from jobsched.model.options import options_of, options_of_run
from jobsched.model.run import Claim, Reason, Transition
from jobsched.observe.events import level_of
from jobsched.observe.listeners import Events
from jobsched.runner.completer import Completer
from jobsched.runner.deadlines import Deadlines
from jobsched.runner.definitions import Definitions
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.endings import beginning
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.schedule import retry
from jobsched.store.faults import fault_point

log = logging.getLogger("jobsched")

#: Of the events of runs without a job, when all goes well.
_PLAIN = level_of(None)


class Executor:
    """Performs held runs; `perform` is what the pool calls."""

    def __init__(
        self,
        clock: Clock,
        options: Options,
        registry: Registry,
        definitions: Definitions,
        heartbeat: Heartbeat,
        deadlines: Deadlines,
        dispatcher: Dispatcher,
        completer: Completer,
        on_abandoned_ended: Callable[[Claim], None],
        may_others_perform: Callable[[Claim], bool],
        events: Events,
        client_of: Callable[[Claim], Client],
        on_beginning: Callable[[Held], None] = lambda _: None,
    ) -> None:
        """`client_of`: makes the client that a handler asks for. `on_beginning`: called with each attempt of a job, once its
        definition is known; it must not block.
        """
        self._clock, self._monotonic, self._options = clock, clock.monotonic, options
        self.middlewares: list[Middleware] = []
        self._registry = registry.limited_to(definitions.declares)
        self._definitions, self._heartbeat, self._deadlines = definitions, heartbeat, deadlines
        self._dispatcher, self._completer = dispatcher, completer
        self._on_abandoned_ended, self._events = on_abandoned_ended, events
        self._client_of = client_of
        self._may_others_perform, self._on_beginning = may_others_perform, on_beginning
        self._refused: dict[int, float] = {}

    def perform(self, held: Held) -> None:
        """One attempt; whatever happens, a transition is written, unless somebody else has said what becomes of it."""
        monotonic = self._monotonic
        began = monotonic()
        if not self._ours(held, began):
            self.give_back(held)
            return
        held.started = began
        held.begun = True
        found = self._plain(held.claim)
        transition = self._attempt(held) if found is None else self._plain_attempt(held, found)
        fault_point("before_finish")
        held.took = monotonic() - began
        self._dispatcher.buffer.ran(held.took)
        if held.cancel.deadline is not None:
            self._deadlines.forget(held)
        held.started = None
        if held.settle():
            self._completer.put(held, transition)
            return
        if held.when_ended is not None:
            self._completer.put(held, held.when_ended)
        self._on_abandoned_ended(held.claim)

    def give_back(self, held: Held) -> None:
        """The run has not begun here, and is not to: it goes back to pending, as if it had not been claimed."""
        if held.settle():
            self._completer.put(held, retry.given_back(held.claim))

    def overdue(self, held: Held) -> Transition:
        """What becomes of an attempt that does not end at its deadline: failed(timeout), or a retry once it has ended."""
        if held.started is not None:
            held.took = self._clock.monotonic() - held.started
        return self._after_failure(held, HandlerTimeoutError(_overdue_text(held)), Reason.TIMEOUT)

    def _ours(self, held: Held, now: float) -> bool:
        """A run may have waited here while this node lost its lease; then others have it."""
        heartbeat = self._heartbeat
        return held.claim.node == heartbeat.node and heartbeat.fit_at(now) and not held.cancel.cancelled

    def _plain(self, claim: Claim) -> RegisteredHandler | None:
        """Its handler, for a run of nothing but that: most of what comes by the thousand has no job and no time limit."""
        if claim.job is not None or claim.timeout is not None or self.middlewares:
            return None
        found = self._registry.registered(claim.handler)
        return None if found is None or found.options.timeout is not None else found

    def _plain_attempt(self, held: Held, found: RegisteredHandler) -> Transition:
        """As `_attempt`, in fewer steps."""
        claim = held.claim
        held.options = found.options
        try:
            if self._events.hears(_PLAIN):
                self._events.emit(beginning(claim, self._heartbeat.now()))
            result = perform_in_thread(found, claim.payload, held.cancel, held.log, lambda: self._context(held))
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its run's result, never ours
            return self._decided(held, raised)
        return retry.after_success(claim, result)

    def _attempt(self, held: Held) -> Transition:
        try:
            if held.claim.job is not None:
                held.job = self._job(held.claim)
            if held.job is not None or held.claim.timeout is not None:
                held.options = options_of(held.job) if held.job else options_of_run(held.claim.timeout)
        except StoreUnavailableError:
            return retry.given_back(held.claim)
        except Exception as error:  # noqa: BLE001 - a definition that cannot be read
            return self._decided(held, error)
        try:
            if held.job is not None:
                self._on_beginning(held)
            if self._events.hears(level_of(held.claim.job)):
                self._events.emit(beginning(held.claim, self._heartbeat.now()))
            result = self._result(held, handler_from_text(held.claim.handler))
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its run's result, never ours
            return self._decided(held, raised)
        return retry.after_success(held.claim, result)

    def _decided(self, held: Held, raised: BaseException) -> Transition:
        """What becomes of a failed attempt; should that itself fail, the run fails and says so."""
        held.cancel.ends()
        try:
            return self._after_exception(held, raised)
        except Exception as undecided:
            log.exception("run %d: what becomes of it could not be decided", held.claim.id)
            error = {"type": type(raised).__name__, "message": f"{text_of(raised)} ({text_of(undecided)})"}
            return retry.after_failure(held.claim, Retries(), error, Reason.ERROR, self._clock.now(), retry=False)

    def _job(self, claim: Claim) -> Job | None:
        if claim.job is None or claim.job_revision is None:
            return None
        return self._definitions.job(claim.namespace, claim.job, claim.job_revision)

    def _result(self, held: Held, handler: Handler | NotifyHandler) -> Any:
        """What the handler returned, as JSON. Raises what `perform` raises."""
        if isinstance(handler, PythonHandler):
            # Its module may hang when it is imported. What the decorator says of the time counts from then on.
            if held.options.timeout is not None:
                self._deadlines.watch(held, held.options.timeout, kills=False)
            found = self._heed_decorator(held, handler)
            if not self.middlewares and (held.job is None or held.job.executor == "thread"):
                if held.options.timeout is not None:
                    self._deadlines.watch(held, held.options.timeout, kills=False)
                return perform_in_thread(found, held.claim.payload, held.cancel, held.log, lambda: self._context(held))
        call = self._call(held, handler)
        if call.timeout is not None:
            self._deadlines.watch(held, call.timeout, kills=call.ends_by_force)
        if self.middlewares:
            return within(self.middlewares, call, lambda: perform(call, self._registry, resolve, self._clock))
        return perform(call, self._registry, resolve, self._clock)

    def _context(self, held: Held) -> Context:
        return Context(self._call(held, handler_from_text(held.claim.handler)), self._clock)

    def _call(self, held: Held, handler: Handler | NotifyHandler) -> Call:
        claim, job = held.claim, held.job
        return Call(
            claim.id,
            claim.namespace,
            claim.job,
            claim.attempt,
            claim.max_attempts,
            claim.scheduled_at,
            claim.payload,
            handler,
            held.options.timeout,
            held.cancel,
            held.log,
            job.env if job else {},
            job.cwd if job else None,
            executor=job.executor if job else "thread",
            user=job.user if job else None,
            umask=job.umask if job else None,
            inheritance=self._options.inheritance,
            trace=claim.trace,
            client=lambda: self._client_of(claim),
        )

    def _heed_decorator(self, held: Held, handler: PythonHandler) -> RegisteredHandler:
        """The decorator holds as this node has it; whoever made the run may not have had the module, or another version."""
        claim = held.claim
        if claim.job is not None:
            self._definitions.declare(handler.name)
        found = self._registry.resolve(handler.name)
        if held.job is None:
            held.options = options_of_run(claim.timeout, found.options)
        else:
            held.options = options_of(held.job, found.options)
            held.grant()
        return found

    def _after_exception(self, held: Held, raised: BaseException) -> Transition:
        claim = held.claim
        match raised:
            case _ if held.cancel.reason in {"cancelled", "replaced"}:
                why = Reason(held.cancel.reason)
                return retry.after_cancel(claim, text_of(raised), self._heartbeat.now(), reason=why)
            case Retry():
                return self._after_failure(held, raised, Reason.ERROR, retry_after=raised.after)
            case Snooze():
                return retry.after_snooze(claim, raised.until, self._heartbeat.now())
            case Cancel():
                return retry.after_cancel(claim, str(raised), self._heartbeat.now())
            case UnknownHandlerError():
                return self._after_unknown(held, raised)
            case PayloadError() | ResultError():
                return self._after_failure(held, raised, Reason.ERROR, may_retry=False)
            # What it ended with before it was asked to stop is its own, whatever has come since: a node may be held up here.
            case _ if isinstance(raised, HandlerTimeoutError) or held.cancel.heeded == "timeout":
                return self._after_failure(held, raised, Reason.TIMEOUT)
            case _ if held.cancel.heeded in {"shutdown", "fenced"}:
                return retry.given_back(claim)
            case _:
                return self._after_failure(held, raised, Reason.ERROR)

    def _after_unknown(self, held: Held, error: UnknownHandlerError) -> Transition:
        """Another node may know the handler: the run fails only when long after we first refused it none of them may."""
        claim, now = held.claim, self._clock.monotonic()
        patience = self._options.unknown_handler_patience.total_seconds()
        # What others took meanwhile is forgotten some time after it could have failed here.
        self._refused = {run: since for run, since in self._refused.items() if now - since < 2 * patience + 3600}
        first = claim.id not in self._refused
        if now - self._refused.setdefault(claim.id, now) >= patience and not self._may_others_perform(claim):
            del self._refused[claim.id]
            return self._after_failure(held, error, Reason.ERROR, may_retry=False)
        self._dispatcher.leave_to_others(claim.handler)
        left = retry.given_back(claim)
        if not first:
            return left
        log.error("run %d of %s is left to other nodes: %s", claim.id, _name(claim), error)
        # Kept with the run, once a node, so that `logs` says why it waits.
        entry = retry.error_entry(
            error_entry(error), attempt=claim.attempt, at=self._heartbeat.now(), reason=Reason.ERROR
        )
        return left._replace(error=entry)

    def _after_failure(
        self,
        held: Held,
        error: BaseException,
        reason: Reason,
        *,
        may_retry: bool = True,
        retry_after: timedelta | None = None,
    ) -> Transition:
        claim = held.claim
        retries = held.options.retries or Retries()
        return retry.after_failure(
            claim,
            retries,
            error=error_entry(error),
            reason=reason,
            now=self._heartbeat.now(),
            retry=may_retry and (isinstance(error, Retry) or retry.heals(retries, _names_of(error, reason))),
            retry_after=retry_after,
        )


def _names_of(error: BaseException, reason: Reason) -> set[str]:
    """An attempt that ran out of time is that first of all, whatever the handler made of it."""
    return names_of(error) | (names_of(HandlerTimeoutError()) if reason is Reason.TIMEOUT else set())


def _name(claim: Claim) -> str:
    return claim.job or claim.handler


def _overdue_text(held: Held) -> str:
    timeout = held.options.timeout
    after = timeout.after if timeout else timedelta(0)
    return (
        f"did not end at its timeout of {after.total_seconds():g} s, nor when it was asked to; its thread was given up"
    )
