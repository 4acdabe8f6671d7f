"""One contestant in a process of its own: `python -m benchmarks.peers MODULE COMMAND SETTINGS`, the settings as JSON.

A module of this folder has a class `Queue`, made with the database's URL and its own options. All methods may be
coroutines; then a uvloop runs them:

    package       what it is called among the installed packages
    unfinished    a statement that answers whether anything is left to do
    install()     makes its schema
    open()        connects, to enqueue
    one(payload)  enqueues one; `encode(payload)`, if there is one, is called before time is taken
    many(list)    enqueues many in one call; None if it has no such call
    work(done)    performs what is enqueued, calling `done` with each payload or its number; returns once it works
                  (threads) or never (coroutines)

COMMAND `prepare` fills the queue and prints how long that took; `work` and `produce` say `ready`, wait for a line, and
work until their input ends.
"""

import asyncio
import importlib
import importlib.metadata
import inspect
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.peers.tally import Tally, payload


def main() -> None:
    module, command, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    made = importlib.import_module(f"benchmarks.peers.{module}").Queue(settings["url"], **settings["options"])
    one = Contestant(made)
    COMMANDS[command](one, settings)
    sys.stdout.flush()
    os._exit(0)  # whatever threads it has


class Contestant:
    """A queue whose coroutines are run to their end."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.encode: Callable[[dict[str, object]], Any] = getattr(queue, "encode", lambda given: given)
        self._loop = new_loop() if inspect.iscoroutinefunction(queue.one) else None

    def run(self, called: object) -> object:
        if self._loop is not None and inspect.isawaitable(called):
            return self._loop.run_until_complete(_awaited(called))
        return called

    def timed(self, call: Callable[[Any], Any], items: Iterable[Any]) -> float:
        """Seconds for one call after the other."""
        if not inspect.iscoroutinefunction(call):
            began = time.perf_counter()
            for item in items:
                call(item)
            return time.perf_counter() - began

        async def each() -> float:
            began = time.perf_counter()
            for item in items:
                await call(item)
            return time.perf_counter() - began

        taken = self.run(each())
        assert isinstance(taken, float)
        return taken


async def _awaited(called: Any) -> object:
    return await called


def new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def prepare(one: Contestant, settings: dict[str, Any]) -> None:
    one.run(one.queue.install())
    one.run(one.queue.open())
    singles = [one.encode(payload(number)) for number in range(settings["singles"])]
    calls = [
        [one.encode(payload(call * settings["a_call"] + number)) for number in range(settings["a_call"])]
        for call in range(settings["calls"])
    ]
    found: dict[str, object] = {
        "version": importlib.metadata.version(one.queue.package) if one.queue.package else "",
        "unfinished": one.queue.unfinished,
        "one": one.timed(one.queue.one, singles) if singles else None,
    }
    if calls and one.queue.many is not None:
        found["many"] = one.timed(one.queue.many, calls)
    else:
        one.timed(one.queue.one, [item for call in calls for item in call])
    print(json.dumps(found))


def work(one: Contestant, settings: dict[str, Any]) -> None:
    done = Tally(settings["tally"]).performer(settings["slot"])
    one.run(one.queue.open())
    ready()
    one.run(one.queue.work(done))
    threading.Event().wait()


def produce(one: Contestant, settings: dict[str, Any]) -> None:
    """Enqueue one by one at random distances, and write down when each had been."""
    one.run(one.queue.open())
    ready()
    produce_all(one, settings)


def together(one: Contestant, settings: dict[str, Any]) -> None:
    """Perform and produce in one process, by threads."""
    one.run(one.queue.install())
    one.run(one.queue.open())
    one.queue.work(Tally(settings["tally"]).performer(0))
    ready()
    produce_all(one, settings)


def produce_all(one: Contestant, settings: dict[str, Any]) -> None:
    tally, distances = Tally(settings["tally"]), random.Random(7)
    for number in range(settings["count"]):
        time.sleep(distances.uniform(0.005, 0.025))
        one.run(one.queue.one(one.encode(payload(number))))
        tally.enqueued(number)
    print("done", flush=True)
    threading.Event().wait()


def ready() -> None:
    """Say so, wait for the sign, and end with whoever gave it."""
    print("ready", flush=True)
    if not sys.stdin.readline():
        os._exit(0)

    def end() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


COMMANDS = {"prepare": prepare, "work": work, "produce": produce, "together": together}

if __name__ == "__main__":
    main()
