"""The load of a soak: a file with schedules and limits, and a client that enqueues, triggers, cancels and requeues."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jobsched.client import Client
from jobsched.errors import RefusedError, StoreUnavailableError
from jobsched.model.run import RunState

#: Of each job, how many at once over all nodes.
LIMITS = {"alone": 1, "few": 3, "rare": 1, "waiting": 2, "newest": 1, "keyed": 3, "mail": 2, "stuck": 2}
SCHEDULED = ("tick", "rare", "waiting", "command", "newest")
JOBS = """
    version: 1
    settings: {threads: 6, max_abandoned: 1000, imports: [work], queues: {mail: {limit: 2}}}
    defaults: {history: {success: 1000000, failed: 1000000, skipped: 1000000}}
    jobs:
      tick: {handler: work, SCHEDULE, concurrency: allow, catch_up: all, max_catch_up: 10000}
      rare: {handler: work, SCHEDULE, payload: {seconds: 1.5}}
      waiting: {handler: work, SCHEDULE, concurrency: {policy: queue, limit: 2, max_queued: 1000}, catch_up: all}
      command: {command: ["true"], SCHEDULE, concurrency: allow}
      newest: {handler: work, SCHEDULE, payload: {seconds: 0.7}, concurrency: replace}
      keyed: {handler: work, payload: {key: 0}, concurrency: {policy: queue, limit: 1, key: payload.key}}
      mail: {handler: work, payload: {seconds: 0.2}, concurrency: allow, queue: mail}
      stuck:
        handler: work
        payload: {seconds: 3, deaf: true}
        timeout: {after: 300ms, kill_after: 100ms}
        concurrency: {policy: queue, limit: 2}
      broken: {handler: work, payload: {fails: 1}, concurrency: allow, on_failure: {handler: tell}}
      alone: {handler: work, payload: {seconds: 0.1}, retries: 1}
      few: {handler: work, payload: {seconds: 0.5}, concurrency: 3}
      flaky: {handler: work, payload: {fails: 0.5}, concurrency: allow, retries: {max: 5, delay: 100ms}}
      compute: {handler: work, payload: {seconds: 0.2}, concurrency: allow, executor: process}
      long: {handler: work, payload: {seconds: 4}, concurrency: allow}
      deaf: {handler: work, payload: {seconds: 1.5, deaf: true}, concurrency: allow}
"""
BUSY = JOBS.replace("SCHEDULE", "every: 1s")
#: The schedules end by an edit, which accounts for every slot until then.
QUIET = JOBS.replace(" SCHEDULE,", "")

_UNFINISHED = tuple(state for state in RunState if not state.final)
_WEIGHTS = {
    "enqueue": 55,
    "alone": 4,
    "few": 8,
    "flaky": 15,
    "compute": 2,
    "long": 2,
    "deaf": 8,
    "keyed": 6,
    "mail": 6,
    "stuck": 0.5,
    "broken": 2,
    "cancel": 3,
    "requeue": 3,
    "pause": 0.5,
}


@dataclass(eq=False)
class Load:
    """Its thread makes runs until it is stopped. A database that is away is asked again, as any program would."""

    client: Client
    random: random.Random
    every: float = 0.03  #: seconds from one to the next
    acknowledged: list[int] = field(default_factory=list)
    requeued: list[int] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._make, name="load")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _make(self) -> None:
        number = 0
        while not self._stop.wait(self.every):
            number += 1
            [kind] = self.random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            match kind:
                case "enqueue":
                    self._enqueue(f"number {number}")
                case "cancel":
                    self._cancel()
                case "requeue":
                    self._requeue()
                case "pause":
                    self._pause()
                case "keyed":
                    self._trigger(kind, {"seconds": 0.2, "key": self.random.randrange(3)})
                case job:
                    self._trigger(job)

    def _trigger(self, job: str, payload: Mapping[str, Any] | None = None) -> None:
        """One whose answer was lost may have happened: that run is then one that nobody acknowledged."""
        made = self._once(lambda: self.client.trigger(job, payload))
        if made is not None:
            self.acknowledged.append(made.id)

    def _enqueue(self, unique_key: str) -> None:
        """Repeated until it is acknowledged, which its unique key makes safe."""
        delay = timedelta(seconds=self.random.choice([0, 0, 0, 1, 3]))
        payload = {"seconds": self.random.choice([0, 0, 0.1]), "fails": 0.02}
        while not self._stop.is_set():
            made = self._once(
                lambda: self.client.enqueue("work", payload, delay=delay, max_attempts=3, unique_key=unique_key)
            )
            if made is not None:
                self.acknowledged.append(made.id)
                return
            self._stop.wait(0.2)

    def _cancel(self) -> None:
        unfinished = self._once(lambda: self.client.runs(states=_UNFINISHED, limit=10))
        if unfinished:
            run = self.random.choice(unfinished)
            self._once(lambda: self.client.cancel(run.id))

    def _pause(self) -> None:
        """It ends by itself, or by the next."""
        duration, what = timedelta(seconds=self.random.choice([1, 3])), self.random.choice(["tick", "newest", "mail"])
        if self.random.random() < 0.3:
            self._once(lambda: self.client.resume(all=True))
        elif what == "mail":
            self._once(lambda: self.client.pause(queue=what, duration=duration))
        else:
            self._once(lambda: self.client.pause(what, duration=duration))

    def _requeue(self) -> None:
        failed = self._once(lambda: self.client.runs(states=[RunState.FAILED, RunState.CANCELLED], limit=5))
        if failed:
            run = self.random.choice(failed)
            # Noted before: an answer that is lost must not make it look as if it had ended twice.
            self.requeued.append(run.id)
            self._once(lambda: self.client.requeue(run.id))

    def _once(self, ask: Callable[[], Any]) -> Any:
        """None if it was refused, or the database could not be asked."""
        try:
            answer = ask()
        except RefusedError:
            self.asked["refused"] += 1
            return None
        except StoreUnavailableError:
            self.asked["away"] += 1
            return None
        self.asked["answered"] += 1
        return answer
