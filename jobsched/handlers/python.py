"""Performs Python handlers: functions and coroutine functions, with the payload as keyword arguments."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jobsched.clock import Clock
from jobsched.errors import HandlerExitError
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.context import Context
from jobsched.handlers.own_process import end_if_forked, this_process
from jobsched.handlers.registry import RegisteredHandler, check_payload
from jobsched.handlers.result import json_result

if TYPE_CHECKING:
    from jobsched.handlers.call import Call


def perform_python(call: "Call", handler: RegisteredHandler, clock: Clock) -> Any:
    """As `perform_function`, of a whole call."""
    return perform_function(handler, call.payload, call.cancel, lambda: Context(call, clock))


def perform_function(
    handler: RegisteredHandler, payload: Mapping[str, Any], cancel: CancelToken, context: Callable[[], Context]
) -> Any:
    """Call the handler in this thread; its result as a JSON value. `context` makes the one for a handler that takes it.

    Raises PayloadError before the call, ResultError after it, HandlerExitError for what is no Exception, and what the
    handler raised. A coroutine runs in an event loop of its own and is cancelled with the attempt; a function has to
    ask its context.
    """
    parameters = handler.parameters
    if not parameters.fit(payload.keys()):
        check_payload(handler, payload)
    process = this_process()
    try:
        result = handler.function(context(), **payload) if parameters.takes_context else handler.function(**payload)
        if result is not None and inspect.isawaitable(result):
            from jobsched.handlers.coroutine import await_result

            result = await_result(result, cancel)
    except Exception as raised:
        cancel.ends()
        end_if_forked(process, raised)
        raise
    except BaseException as raised:
        cancel.ends()
        end_if_forked(process, raised)
        # SystemExit and the like are a handler's mistake: they must end neither our thread nor the node.
        raise HandlerExitError(raised) from raised
    end_if_forked(process, None)
    return None if result is None else json_result(result)
