"""Executor: one attempt from claim to transition, as a straight pipeline in a thread of the pool."""

import logging
import os
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

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
from jobsched.handlers.call import Call, perform
from jobsched.handlers.registry import Registry
from jobsched.model.handler import PythonHandler, handler_from_text
from jobsched.model.job import Job, Retries, Timeout
from jobsched.model.run import Claim, Reason, RunState, Transition
from jobsched.runner.completer import Completer
from jobsched.runner.deadlines import Deadlines
from jobsched.runner.definitions import Definitions
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.schedule import retry
from jobsched.store.faults import fault_point

log = logging.getLogger("jobsched")


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
    ) -> None:
        self._clock, self._options, self._registry = clock, options, registry
        self._definitions, self._heartbeat, self._deadlines = definitions, heartbeat, deadlines
        self._dispatcher, self._completer = dispatcher, completer

    def perform(self, held: Held) -> None:
        """One attempt; whatever happens, a transition is written, unless the run was given up meanwhile."""
        held.started = self._clock.monotonic()
        transition = self._attempt(held)
        fault_point("before_finish")
        self._dispatcher.buffer.ran(self._clock.monotonic() - held.started)
        held.started = None
        if not held.abandoned:
            _say(held.claim, transition)
            self._completer.put(held, transition)
        elif held.when_ended is not None:
            self._completer.put(held, held.when_ended)

    def overdue(self, held: Held) -> Transition:
        """What becomes of an attempt that does not end at its deadline: failed(timeout), or a retry once it has ended."""
        error = HandlerTimeoutError(_overdue_text(held))
        return self._after_failure(held, error, Reason.TIMEOUT)

    def _attempt(self, held: Held) -> Transition:
        claim = held.claim
        try:
            held.job = self._job(claim)
            call = self._call(held)
            log.debug("run %d of %s starts, attempt %d", claim.id, _name(claim), claim.attempt)
            result = perform(call, self._registry, resolve_variables, self._clock)
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its run's result, never ours
            return self._after_exception(held, raised)
        return retry.after_success(claim, result)

    def _job(self, claim: Claim) -> Job | None:
        if claim.job is None or claim.job_revision is None:
            return None
        return self._definitions.job(claim.namespace, claim.job, claim.job_revision)

    def _call(self, held: Held) -> Call:
        claim, job = held.claim, held.job
        handler = handler_from_text(claim.handler)
        if claim.job is not None and isinstance(handler, PythonHandler):
            self._definitions.declare(handler.name)
        timeout = job.timeout if job else None
        if timeout is not None:
            self._deadlines.watch(held, timeout, kills=not isinstance(handler, PythonHandler))
        return Call(
            run_id=claim.id,
            namespace=claim.namespace,
            job=claim.job,
            attempt=claim.attempt,
            max_attempts=claim.max_attempts,
            scheduled_at=claim.scheduled_at,
            payload=claim.payload,
            handler=handler,
            timeout=timeout,
            env=job.env if job else {},
            cwd=job.cwd if job else None,
            cancel=held.cancel,
            log=held.log,
        )

    def _after_exception(self, held: Held, raised: BaseException) -> Transition:
        claim = held.claim
        match raised:
            case StoreUnavailableError():
                return retry.given_back(claim)
            case Retry():
                return self._after_failure(held, raised, Reason.ERROR, retry_after=raised.after)
            case Snooze():
                return retry.after_snooze(claim, _instant(raised.until, self._heartbeat.now()), self._heartbeat.now())
            case Cancel():
                return retry.after_cancel(claim, str(raised), self._heartbeat.now())
            case UnknownHandlerError():
                return self._after_unknown(held, raised)
            case PayloadError() | ResultError():
                return self._after_failure(held, raised, Reason.ERROR, may_retry=False)
            case _ if held.cancel.reason == "timeout":
                return self._after_failure(held, raised, Reason.TIMEOUT)
            case _ if held.cancel.reason in ("shutdown", "fenced"):
                return retry.given_back(claim)
            case _:
                return self._after_failure(held, raised, Reason.ERROR)

    def _after_unknown(self, held: Held, error: UnknownHandlerError) -> Transition:
        """Another node may know the handler; when none did for long, the run fails and says why."""
        claim = held.claim
        waited = self._heartbeat.now() - claim.available_at
        if waited >= self._options.unknown_handler_patience:
            return self._after_failure(held, error, Reason.ERROR, may_retry=False)
        self._dispatcher.leave_to_others(claim.handler)
        log.error("run %d of %s is left to other nodes: %s", claim.id, _name(claim), error)
        return retry.given_back(claim)

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
        retries = held.job.retries if held.job else Retries(max=claim.max_attempts - 1)
        return retry.after_failure(
            claim,
            retries,
            error=error_entry(error),
            reason=reason,
            now=self._heartbeat.now(),
            retry=may_retry,
            retry_after=retry_after,
        )


def error_entry(error: BaseException) -> dict[str, Any]:
    """An exception as a run keeps it; the traceback begins in the handler, not in our pipeline."""
    entry: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent.parent)
    theirs = [frame for frame in frames if not frame.filename.startswith(own)]
    if theirs:
        entry["traceback"] = "".join(traceback.format_list(theirs))
    return entry


def resolve_variables(text: str) -> str:
    """`${VAR}` in `env` and `http`, from this node's environment, when the handler is performed."""
    return resolve(text, os.environ)


def _instant(until: datetime | timedelta, now: datetime) -> datetime:
    return now + until if isinstance(until, timedelta) else until


def _name(claim: Claim) -> str:
    return claim.job or claim.handler


def _overdue_text(held: Held) -> str:
    timeout: Timeout | None = held.job.timeout if held.job else None
    after = timeout.after if timeout else timedelta(0)
    return (
        f"did not end at its timeout of {after.total_seconds():g} s, nor when it was asked to; its thread was given up"
    )


def _say(claim: Claim, transition: Transition) -> None:
    extra = {
        "event": f"run_{transition.state}",
        "run": claim.id,
        "job": claim.job,
        "attempt": claim.attempt,
        "reason": transition.reason,
    }
    match transition.state:
        case RunState.SUCCEEDED:
            level = logging.INFO if claim.job else logging.DEBUG
            log.log(level, "%s: run %d succeeded", _name(claim), claim.id, extra=extra)
        case RunState.FAILED:
            log.error("%s: run %d failed: %s", _name(claim), claim.id, _short(transition), extra=extra)
        case RunState.SCHEDULED:
            log.warning(
                "%s: run %d, attempt %d of %d failed, next at %s: %s",
                _name(claim),
                claim.id,
                claim.attempt,
                claim.max_attempts,
                transition.available_at,
                _short(transition),
                extra=extra,
            )
        case _:
            log.info("%s: run %d is %s", _name(claim), claim.id, transition.state, extra=extra)


def _short(transition: Transition) -> str:
    error = transition.error or {}
    first = str(error.get("message", "")).splitlines()
    return f"{error.get('type', transition.reason)}: {first[0] if first else ''}"
