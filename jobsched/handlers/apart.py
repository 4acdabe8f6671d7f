"""Performs a Python handler in a process of its own (`executor: process`), which can be killed.

The process is followed as a command is. What crosses is JSON: in, what the handler may know of its run; out, what it
logs, and its result or what it raised. Nothing that came from a handler is ever unpickled.
"""

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobsched.clock import Clock
from jobsched.errors import HandlerProcessError
from jobsched.handlers.forker import Forked, forker, module_path
from jobsched.handlers.output import Output
from jobsched.handlers.process import KILL_AFTER_SECONDS, Follow, signal_name
from jobsched.handlers.raised import from_json
from jobsched.handlers.registry import RegisteredHandler, check_payload
from jobsched.handlers.secrets import Secrets
from jobsched.handlers.survivors import MARK, new_mark

if TYPE_CHECKING:
    from jobsched.handlers.call import Call

#: More than a result of 1 MiB takes, however it is escaped.
_MAX_MESSAGE = 8 * 1024 * 1024


def perform_apart(call: "Call", handler: RegisteredHandler, modules: Callable[[], Iterable[str]], clock: Clock) -> Any:
    """The handler's result as a JSON value. `modules`: what handlers are imported from, to be had at hand.

    Raises PayloadError, HandlerProcessError (it could not start, or died), HandlerTimeoutError or HandlerCancelledError
    if it was killed, and what the handler raised: Retry, Cancel, Snooze and our own errors as they are, else RemoteError.
    """
    check_payload(handler, call.payload)
    mark = new_mark()
    spec = _spec(call, _path(handler), mark)
    forked = forker.fork(modules)
    answers = _Answers(call)
    secrets = Secrets(_as_it_is, {})
    stdout, stderr = Output("stdout", call.log, secrets), Output("stderr", call.log, secrets)
    outputs = ((forked.stdout, stdout.feed), (forked.stderr, stderr.feed), (forked.channel, answers.feed))
    kill_after = call.timeout.kill_after.total_seconds() if call.timeout else KILL_AFTER_SECONDS
    try:
        follow = Follow(forked, spec, outputs, call.cancel, kill_after, clock, mark)
    except OSError as error:
        forked.kill()
        raise HandlerProcessError(f"its process could not be followed, so it was killed: {error.strerror}") from error
    forget = call.cancel.on_cancel(lambda: _ask_to_stop(forked, call))
    try:
        exit_code = follow.until_end()
    finally:
        forget()
        stdout.close()
        stderr.close()
    if answers.outcome is None:
        if follow.stopped:
            raise call.cancel.error()
        raise HandlerProcessError(_died(exit_code, stderr.tail()), exit_code)
    if "raised" in answers.outcome:
        raise from_json(answers.outcome["raised"])
    return answers.outcome["result"]


def _as_it_is(text: str, _environ: Mapping[str, str]) -> str:
    return text


def _path(handler: RegisteredHandler) -> str:
    """How another process finds it. Raises HandlerProcessError if it cannot."""
    function = handler.function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if ":" in handler.name:
        module, _, name = handler.name.partition(":")
    found: Any = None if module == "__main__" else sys.modules.get(str(module))
    for attribute in str(name).split("."):
        found = getattr(found, attribute, None)
    if found is not None:
        return f"{module}:{name}"
    raise HandlerProcessError(
        f"{handler.name!r} cannot be performed in a process of its own: it is no function at the top of a module that "
        "can be imported (nor may that be the program itself)"
    )


def _spec(call: "Call", path: str, mark: str) -> bytes:
    spec = {
        "handler": path,
        "run_id": call.run_id,
        "namespace": call.namespace,
        "job": call.job,
        "attempt": call.attempt,
        "max_attempts": call.max_attempts,
        "scheduled_at": call.scheduled_at.isoformat() if call.scheduled_at else None,
        "remaining": call.cancel.remaining,
        "payload": dict(call.payload),
        "path": module_path(),
        "environ": {"JOBSCHED_RUN_ID": str(call.run_id), MARK: mark},
    }
    return json.dumps(spec).encode()


def _ask_to_stop(forked: Forked, call: "Call") -> None:
    # Full, or closed: then it is killed when its time is up.
    with suppress(OSError):
        forked.channel.send(json.dumps({"cancel": call.cancel.reason}).encode() + b"\n", socket.MSG_DONTWAIT)


def _died(exit_code: int, tail: str) -> str:
    if exit_code < 0:
        how = f"signal {signal_name(-exit_code)} ended its process before it was done"
        if exit_code == -signal.SIGKILL:
            how += "; not from jobsched, so perhaps from a system without memory left"
    else:
        how = f"its process ended with exit code {exit_code} before it was done"
    return f"{how}; stderr ends with:\n{tail}" if tail else how


class _Answers:
    """Lines of JSON from the process; whoever wrote there may have written anything."""

    def __init__(self, call: "Call") -> None:
        self._log, self._cancel = call.log, call.cancel
        self._begun = b""
        self.outcome: dict[str, Any] | None = None

    def feed(self, chunk: bytes) -> None:
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for line in lines:
            with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
                self._take(json.loads(line))
        if len(self._begun) > _MAX_MESSAGE:
            self._begun = b""

    def _take(self, message: dict[str, Any]) -> None:
        if "stream" in message:
            self._log.write(str(message["stream"]), str(message["text"]))
        elif self.outcome is not None:
            return  # the handler has ended: what comes after is of a process that it left
        elif "raised" in message:
            from_json(message["raised"])
            self._cancel.ends(unasked=not message["asked"])
            self.outcome = {"raised": message["raised"]}
        elif "result" in message:
            self.outcome = {"result": message["result"]}
