"""Middleware: what a program that embeds a node puts around each attempt, like a trace or a session."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jobsched.handlers.call import Call
from jobsched.handlers.result import json_result

#: Called in the attempt's thread with what is to be performed, and with the way to perform it; returns the result.
Middleware = Callable[[Call, Callable[[], Any]], Any]


def within(middlewares: Sequence[Middleware], call: Call, perform: Callable[[], Any]) -> Any:
    """Perform inside of them, the first outermost; what comes out is a JSON value again. Raises what they let through."""
    if not middlewares:
        return perform()
    for each in reversed(middlewares):
        perform = partial(each, call, perform)
    return json_result(perform())
