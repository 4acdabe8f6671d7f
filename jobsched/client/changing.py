"""What a client does to runs that are there: requeue, cancel, reschedule, delete."""

from collections.abc import Iterable
from datetime import datetime

from jobsched.client.acting import Acting
from jobsched.client.given import ids_of_runs
from jobsched.client.runs import Runs
from jobsched.errors import RefusedError, UnknownRunError
from jobsched.model.audit import Act, Action
from jobsched.model.instants import as_utc, format_instant
from jobsched.model.run import Answer, Refusal, Run


class Changing(Acting, Runs):
    """One run at a time, which raises if it is refused, or many, each of which gets an answer."""

    def requeue(self, run_id: int) -> Run:
        """Run a failed, cancelled or skipped run again: same id and slot, `retries` granted afresh, errors kept.

        Raises UnknownRunError; RefusedError if it is not over, succeeded, stands for several slots, its job is gone, its
        last attempt's thread goes on, or another run has its unique key.
        """
        self._obtain("requeued", self.requeue_all([run_id])[0])
        return self.run(run_id)

    def requeue_all(self, run_ids: Iterable[int], *, act: Act | None = None) -> list[Answer]:
        """`requeue` for many: what became of each, in their order. Never raises for a run that cannot be requeued.

        `act`: what these are a part of; else they are an act of their own. So of the others.
        """
        return self.store.requeue(ids_of_runs(run_ids), act=act or self.act(Action.REQUEUE))

    def cancel(self, run_id: int) -> Run:
        """End a waiting run now; ask the node of a running one to stop it (the run stays running until it obeys).

        Raises UnknownRunError; RefusedError if it is over.
        """
        self._obtain("cancelled", self.cancel_all([run_id])[0])
        return self.run(run_id)

    def cancel_all(self, run_ids: Iterable[int], *, act: Act | None = None) -> list[Answer]:
        """`cancel` for many: what became of each, in their order. Never raises for a run that is over."""
        return self.store.cancel(ids_of_runs(run_ids), act=act or self.act(Action.CANCEL))

    def reschedule(self, run_id: int, at: datetime) -> Run:
        """Let a waiting run become available at `at`; it is scheduled until then, even if that has come already.

        A retry may be moved too; a slot has no starting deadline any more. Raises UnknownRunError; RefusedError if it runs or is over.
        """
        self._obtain("rescheduled", self.reschedule_all([run_id], at)[0])
        return self.run(run_id)

    def reschedule_all(self, run_ids: Iterable[int], at: datetime, *, act: Act | None = None) -> list[Answer]:
        """`reschedule` for many: what became of each, in their order. Never raises for a run that does not wait."""
        act = act or self.act(Action.RESCHEDULE, run_at=format_instant(as_utc(at)))
        return self.store.reschedule(ids_of_runs(run_ids), as_utc(at), act=act)

    def delete(self, run_id: int) -> None:
        """Forget a run that is over, with its logs; its slot is not fired again.

        Raises UnknownRunError; RefusedError if it is not over, its `unique_for` is not, or its last attempt's thread goes on.
        """
        self._obtain("deleted", self.delete_all([run_id])[0])

    def delete_all(self, run_ids: Iterable[int], *, act: Act | None = None) -> list[Answer]:
        """`delete` for many: what became of each, in their order. Never raises for a run that is not over."""
        return self.store.delete(ids_of_runs(run_ids), act=act or self.act(Action.DELETE))

    def _obtain(self, asked: str, answer: Answer) -> None:
        if answer.refused is Refusal.UNKNOWN:
            raise UnknownRunError(answer.id)
        if answer.refused is not None:
            raise RefusedError(answer.id, asked, answer.refused.value, why_refused(answer))


_WHY_REFUSED = {
    Refusal.UNKNOWN: "there is none of this number; it was never made, or its history has been pruned",
    Refusal.UNFINISHED: "it is {state}, not over",
    Refusal.FINISHED: "it is over: {state}",
    Refusal.RUNNING: "it runs; to stop it: jobsched cancel",
    Refusal.SUCCEEDED: "it succeeded; to run its job again: jobsched trigger",
    Refusal.COVERS: "it stands for several slots; jobsched backfill runs those",
    Refusal.ABANDONED: "the thread of its last attempt does not end; wait until it does, or end its node",
    Refusal.JOB_GONE: "its job is no longer declared",
    Refusal.UNIQUE_KEY: "another run has its unique key",
    Refusal.UNIQUE_FOR: "its unique_for is not over: without it another run of its unique key could be made",
}


def why_refused(answer: Answer) -> str:
    """The reason in a clause for people."""
    if answer.refused is None:
        return "it was not refused"
    return _WHY_REFUSED[answer.refused].format(state=answer.state)
