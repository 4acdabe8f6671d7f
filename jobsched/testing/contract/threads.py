"""Work done at once by several threads, for the contract's races."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_parallel(parts: Sequence[Part], work: Callable[[Part], Result]) -> list[Result]:
    """The results in the order of `parts`; each thread starts its work when all are ready. Raises what the first raised."""
    ready = threading.Barrier(len(parts))

    def start(part: Part) -> Result:
        ready.wait(timeout=30)
        return work(part)

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(start, parts))
