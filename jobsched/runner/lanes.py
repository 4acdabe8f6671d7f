"""Lanes: calls that wait for the database beside each other, instead of one after the other."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def side_by_side(calls: Sequence[Callable[[], Result]], lanes: int) -> list[Result]:
    """What they return, in their order: so many are made at once, begun in that order, one lane of them in this thread.

    Raises what the first of them raised, once all lanes have ended. A lane ends with a call that raises.
    """
    results: list[Result | None] = [None] * len(calls)
    errors: dict[int, BaseException] = {}
    left = deque(range(len(calls)))

    def perform() -> None:
        while left:
            try:
                place = left.popleft()
            except IndexError:  # another lane was faster
                return
            try:
                results[place] = calls[place]()
            except BaseException as error:  # noqa: BLE001 - it is raised again, by whoever waits for us
                errors[place] = error
                return

    threads = [
        threading.Thread(target=perform, name=f"jobsched-lane-{number}", daemon=True)
        for number in range(1, min(lanes, len(calls)))
    ]
    for thread in threads:
        thread.start()
    perform()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return results  # type: ignore[return-value]  # each has returned
