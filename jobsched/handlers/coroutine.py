"""Awaits what a coroutine handler returned, in an event loop of its own. Imported at the first one: asyncio costs 3 MiB."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from jobsched.handlers.cancel import CancelToken


def await_result(awaitable: Awaitable[Any], cancel: CancelToken) -> Any:
    """Its result; it is cancelled with the attempt."""
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
        # Closing the loop may take long: tasks and generators that it left are ended first.
        cancel.ends()
        forget()
