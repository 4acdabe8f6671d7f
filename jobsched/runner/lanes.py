"""Lanes: calls that wait for the database beside each other, instead of one after the other."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def side_by_side(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """What they return, in their order; the first is made in this thread, each other one in its own.

    Raises what the first of them raised, once all have ended.
    """
    results: list[Result | None] = [None] * len(calls)
    errors: dict[int, BaseException] = {}

    def perform(place: int) -> None:
        try:
            results[place] = calls[place]()
        except BaseException as error:  # noqa: BLE001 - it is raised again, by whoever waits for us
            errors[place] = error

    threads = [
        threading.Thread(target=perform, args=(place,), name=f"jobsched-lane-{place}", daemon=True)
        for place in range(1, len(calls))
    ]
    for thread in threads:
        thread.start()
    if calls:
        perform(0)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return results  # type: ignore[return-value]  # each has returned
