"""Rescuer: gives back the runs of dead nodes, so that nothing stays running."""

import logging
from collections.abc import Callable

from jobsched.errors import StoreUnavailableError
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.run import OwnedRun, RunState, Transition
from jobsched.observe.events import NodeLost, RunLost
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.service import NotNowError
from jobsched.schedule.retry import after_loss
from jobsched.store.port import Store

log = logging.getLogger("jobsched")


class Rescuer:
    """Call it now and then, on every node: whoever is first rescues, the others find nothing."""

    def __init__(
        self,
        store: Store,
        heartbeat: Heartbeat,
        on_pending: Callable[[], None],
        on_freed: Callable[[], None],
        events: Events,
    ) -> None:
        self._store, self._heartbeat, self._events = store, heartbeat, events
        self._on_pending, self._on_freed = on_pending, on_freed

    def __call__(self) -> None:
        # A node that has slept past its own lease would take itself for dead; its heartbeat comes first.
        if not self._heartbeat.fit:
            raise NotNowError
        for node in self._store.bury():
            owned = self._store.owned(node)
            rescued = self._store.finish([self._decide(run) for run in owned])
            self._events.emit(NodeLost(node=node, runs=len(rescued)))
            for run in owned:
                if run.id in rescued:
                    self._events.emit(_lost(run, rescued[run.id].state))
            self._on_freed()
            if rescued:
                self._on_pending()

    def _decide(self, run: OwnedRun) -> Transition:
        if run.job is None:
            return after_loss(run, "retry", self._heartbeat.now())
        job = self._job(run.namespace, run.job)
        # Of a job that is gone nobody wants another attempt.
        transition = after_loss(run, job.on_crash if job else "fail", self._heartbeat.now())
        if job is None:
            return transition
        alerts = job.noted_at_the_end if transition.state is RunState.FAILED else frozenset()
        return transition._replace(on_failure=job.on_failure, alerts=alerts)

    def _job(self, namespace: str, name: str) -> Job | None:
        try:
            found = self._store.jobs(namespace, [name])
        except StoreUnavailableError:
            raise
        except Exception:  # a definition that cannot be read must not keep the run stuck as running
            log.exception("job %s cannot be read; its lost run is retried", name)
            return Job(namespace=namespace, name=name, handler=PythonHandler(""))
        return found[0].job if found else None


def _lost(run: OwnedRun, became: RunState) -> RunLost:
    return RunLost(
        run=run.id,
        namespace=run.namespace,
        job=run.job,
        attempt=run.attempt,
        node=run.node,
        failed=became is RunState.FAILED,
        cancelled=became is RunState.CANCELLED,
    )
