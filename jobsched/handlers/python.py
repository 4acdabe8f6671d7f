"""Performs Python handlers: functions and coroutine functions, with the payload as keyword arguments."""

import asyncio
import inspect
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobsched.clock import Clock
from jobsched.errors import HandlerExitError
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.context import Context
from jobsched.handlers.registry import RegisteredHandler, check_payload
from jobsched.handlers.result import json_result

if TYPE_CHECKING:
    from jobsched.handlers.call import Call


def perform_python(call: "Call", handler: RegisteredHandler, clock: Clock) -> Any:
    """Call the handler in this thread; its result as a JSON value.

    Raises PayloadError before the call, ResultError after it, HandlerExitError for what is no Exception, and what the
    handler raised. A coroutine runs in an event loop of its own and is cancelled with the attempt; a function has to
    ask its context.
    """
    check_payload(handler, call.payload)
    try:
        if handler.parameters.takes_context:
            result = handler.function(Context(call, clock), **call.payload)
        else:
            result = handler.function(**call.payload)
        if result is None:
            return None
        if inspect.isawaitable(result):
            result = _await(result, call.cancel)
    except Exception:
        raise
    except BaseException as raised:
        # SystemExit and the like are a handler's mistake: they must end neither our thread nor the node.
        raise HandlerExitError(raised) from raised
    return json_result(result)


def _await(awaitable: Awaitable[Any], cancel: CancelToken) -> Any:
    try:
        with asyncio.Runner() as runner:
            return runner.run(_cancellable(awaitable, cancel))
    except asyncio.CancelledError:
        cancel.check()
        raise


async def _cancellable(awaitable: Awaitable[Any], cancel: CancelToken) -> Any:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        # The loop may have ended between the order to stop and this call of it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)

    forget = cancel.on_cancel(stop)
    try:
        return await awaitable
    finally:
        forget()
