"""Claimer: a node without handlers. A program claims runs one by one, performs them as it likes, and says what became of each."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.errors import UnknownRunError
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.raised import error_entry, names_of
from jobsched.handlers.result import json_result
from jobsched.model.job import Retries
from jobsched.model.options import NO_OPTIONS, declared_options, options_of, options_of_run
from jobsched.model.run import Became, Reason, Transition
from jobsched.observe.events import Event
from jobsched.observe.runlog import RunLog
from jobsched.runner.held import Held
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.schedule import retry
from jobsched.store.port import ClaimWish

E = TypeVar("E", bound=Event)

_USUAL = Options()
#: How often is looked for a run while one is waited for.
_LOOK_SECONDS = 0.1


class Claimer:
    """Claims runs of some queues for the program that asks.

        with Claimer(client, ["mail"]) as claimer:
            while claimed := claimer.claim(wait=timedelta(minutes=1)):
                claimed.complete({"sent": True})

    It is a node: it keeps a lease by its heartbeats, on threads of its own, and does what nodes do for all (slots, retries
    whose time has come, runs of dead nodes). At the end of the block what is claimed and not finished goes back, without
    counting an attempt. Other nodes must serve other queues: they do not know how these runs are performed.
    """

    def __init__(
        self,
        client: Client,
        queues: Sequence[str],
        *,
        lease: timedelta = _USUAL.lease,
        clock: Clock | None = None,
    ) -> None:
        """`lease`: so long after this process died its runs are given to others."""
        if isinstance(queues, str) or not queues:
            raise ValueError("name the queues to claim from, as a list")
        options = Options(
            threads=1, performs=False, queues=tuple(queues), lease=lease, heartbeat=min(_USUAL.heartbeat, lease / 3)
        )
        self.client, self._queues = client, tuple(queues)
        self._runner = Runner(client, options=options, namespaces=[client.namespace], clock=clock)

    def __enter__(self) -> Self:
        self._runner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.stop(hard=True)
        self._runner.shut_down()

    def on(self, kind: type[E], listener: Callable[[E], object]) -> Callable[[], None]:
        """Call `listener` with each event of this class, as `Runner.on` does."""
        return self._runner.on(kind, listener)

    @property
    def node(self) -> int:
        """The id of this node; another one once it was declared dead and has come back."""
        return self._runner.heartbeat.node

    def claim(self, wait: timedelta = timedelta(0)) -> "Claimed | None":
        """The next pending run of the queues, by (priority, available_at, id), which is running from now on.

        None if none comes within `wait`, or this node has lost its lease and has not got it back.
        """
        never, clock = threading.Event(), self._runner.clock
        until = clock.monotonic() + wait.total_seconds()
        while (claimed := self._claim()) is None and (rest := until - clock.monotonic()) > 0:
            clock.wait(never, min(rest, _LOOK_SECONDS))
        return claimed

    def _claim(self) -> "Claimed | None":
        runner, clock = self._runner, self._runner.clock
        if not runner.heartbeat.fit:
            return None
        asked = clock.monotonic()
        wish = ClaimWish(
            node=runner.heartbeat.node,
            generations=runner.definitions.generations,
            limit=1,
            queues=self._queues,
            paused=runner.pauses.of_queues,
        )
        claims = self.client.store.claim(wish)
        if not claims or clock.monotonic() - asked >= runner.heartbeat.longest_claim:
            # One whose answer took so long is given back by the heartbeat, as if it had been lost.
            return None
        [claim] = claims
        held = Held(claim, CancelToken(clock), RunLog(claim.id, claim.attempt, clock), begun=True)
        held.started = clock.monotonic()
        self._look_up(held)
        runner.held.add([held])
        runner.alerts.begins(held)
        return Claimed(self.client, runner, held)

    def _look_up(self, held: Held) -> None:
        """How attempts of it are made: by its job, and by its handler's decorator where that is known in this process."""
        claim, said = held.claim, declared_options.get(held.claim.handler, NO_OPTIONS)
        if claim.job is not None and claim.job_revision is not None:
            held.job = self._runner.definitions.job(claim.namespace, claim.job, claim.job_revision)
        held.options = options_of(held.job, said) if held.job else options_of_run(claim.timeout, said)
        if held.job is not None:
            held.grant()


class Claimed:
    """A run that this program owns, until it says what became of it. Nothing ends it but that, or the end of the lease."""

    def __init__(self, client: Client, runner: Runner, held: Held) -> None:
        self._client, self._runner, self._held = client, runner, held
        self._said: Transition | None = None
        self._stored: list[Became | None] = []

    @property
    def id(self) -> int:
        return self._held.claim.id

    @property
    def job(self) -> str | None:
        return self._held.claim.job

    @property
    def handler(self) -> str:
        """The name it was enqueued with."""
        return self._held.claim.handler

    @property
    def payload(self) -> Mapping[str, Any]:
        return self._held.claim.payload

    @property
    def attempt(self) -> int:
        return self._held.claim.attempt

    @property
    def scheduled_at(self) -> datetime | None:
        return self._held.claim.scheduled_at

    @property
    def timeout(self) -> timedelta | None:
        """How long the attempt may take. It is for the program to heed: nobody looks after it here."""
        timeout = self._held.options.timeout
        return None if timeout is None else timeout.after

    @property
    def cancelled(self) -> bool:
        """Whether it is to be stopped: somebody has cancelled it, a newer run replaces it, or the lease was lost."""
        return self._held.cancel.cancelled

    def complete(self, result: Any = None) -> bool:
        """It has succeeded. False if it was no longer this program's, which changes nothing; said again, True again.

        Raises ResultError for what JSON cannot hold; then it is still this program's. StoreUnavailableError: it is
        written as soon as the database is back, if that is before the lease ends; to know whether it was, say it again.
        """
        return self._end(retry.after_success(self._held.claim, json_result(result)))

    def fail(
        self, error: BaseException | str, *, retry_after: timedelta | None = None, permanent: bool = False
    ) -> bool:
        """The attempt has failed: another is made while there are any left, unless the error is `permanent`.

        `retry_after`: instead of the backoff. A run that was asked to stop is cancelled. False as in `complete`.
        """
        claim, now = self._held.claim, self._runner.heartbeat.now()
        entry = {"type": "Failed", "message": error} if isinstance(error, str) else error_entry(error)
        if self._held.cancel.reason in {"cancelled", "replaced"}:
            why = Reason(self._held.cancel.reason)
            return self._end(retry.after_cancel(claim, entry["message"], now, reason=why))
        retries = self._held.options.retries or Retries()
        heals = isinstance(error, str) or retry.heals(retries, names_of(error))
        return self._end(
            retry.after_failure(
                claim, retries, entry, Reason.ERROR, now, retry=heals and not permanent, retry_after=retry_after
            )
        )

    def give_back(self) -> bool:
        """It was not begun: it is pending again, and the attempt does not count. False as in `complete`."""
        return self._end(retry.given_back(self._held.claim))

    def _end(self, transition: Transition) -> bool:
        """Write it, or say again what became of it. Raises StoreUnavailableError."""
        held, completer = self._held, self._runner.completer
        if held.settle():
            if held.started is not None:
                held.took = self._runner.clock.monotonic() - held.started
            self._said = transition
            completer.put(held, transition, self._stored.append)
        elif self._said is None or not _alike(self._said, transition):
            return False
        completer.flush()
        return any(became is not None for became in self._stored) or self._stands(self._said or transition)

    def _stands(self, said: Transition) -> bool:
        """Whether it was written all the same: by a commit whose answer was lost, so that it was not ours when written again."""
        try:
            run = self._client.run(self.id)
        except UnknownRunError:
            return False
        if said.error is not None:
            return dict(said.error) in [dict(entry) for entry in run.error]
        owner = said.node if run.state.final else None
        return (run.state, run.attempt, run.node) == (said.state, said.attempt, owner)


def _alike(said: Transition, again: Transition) -> bool:
    """The same outcome, whenever it was said."""
    return _outcome(said) == _outcome(again)


def _outcome(told: Transition) -> tuple[Any, ...]:
    return told.state, told.reason, told.attempt, told.result, (told.error or {}).get("message")
