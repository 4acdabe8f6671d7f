"""The port's chapter on runs, from a claim to what became of it."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection

from jobsched.model.pause import Pauses
from jobsched.model.run import Became, Claim, OwnedRun, RunState, Transition
from jobsched.store.port import ClaimWish
from jobsched_sql import alerts, failures, nodes, questions
from jobsched_sql.store.base import MAKES_WORK, OnDialect


class SqlWork(OnDialect):
    """Runs are claimed, owned and finished."""

    def claim(self, wish: ClaimWish) -> list[Claim]:
        served = self._served(wish)
        return [] if served == [] else self._dialect.claim(wish, served)

    def _served(self, wish: ClaimWish) -> list[tuple[str, str]] | None:
        """The queues to claim of; None: all, without any share; []: nothing can be claimed.

        What is paused, or has no share left, is left out by naming the others, since passing over a backlog run by run
        would make each claim as slow as the backlog is long.
        """
        namespaces = wish.generations.keys()
        if wish.limit < 1 or not namespaces:
            return []
        if wish.queues is not None:
            served = [(namespace, queue) for namespace in namespaces for queue in sorted(set(wish.queues))]
        elif wish.paused or wish.shares:
            served = self._dialect.read(lambda connection: questions.pending_queues(connection, list(namespaces)))
        else:
            return None
        standing = {name: Pauses(pause for pause in wish.paused if pause.namespace == name) for name in namespaces}
        return [
            (namespace, queue)
            for namespace, queue in served
            if wish.shares.get(queue) != 0 and standing[namespace].of_queue(queue) is None
        ]

    def finish(self, transitions: Sequence[Transition]) -> dict[int, Became]:
        if not transitions:
            return {}
        then = _both(failures.after_finish(self._dialect, transitions), alerts.after_finish(self._dialect, transitions))
        ours = self._dialect.finish(transitions, then)
        new = [one for one in transitions if _makes_work(one) and one.id in ours]
        self._ring_if(len(new), "runs" if any(one.state is RunState.SCHEDULED for one in new) else "pending")
        return ours

    def finish_and_claim(
        self, transitions: Sequence[Transition], wish: ClaimWish
    ) -> tuple[dict[int, Became], list[Claim]]:
        served = self._served(wish)
        if served == []:
            return self.finish(transitions), []
        if not transitions or any(one.alerts or _makes_work(one) for one in transitions):
            ours = self.finish(transitions)
            return ours, self._dialect.claim(wish, served)
        return self._dialect.finish_and_claim(transitions, wish, served)

    def end_abandoned(self, run_ids: Sequence[int], node: int) -> None:
        if run_ids:
            self._dialect.write(lambda connection: nodes.end_abandoned(connection, run_ids, node))

    def owned(self, node: int) -> list[OwnedRun]:
        return self._dialect.read(lambda connection: nodes.owned(connection, node))


def _makes_work(transition: Transition) -> bool:
    return transition.state in MAKES_WORK or transition.on_failure is not None


def _both(first: failures.AfterFinish | None, second: failures.AfterFinish | None) -> failures.AfterFinish | None:
    """One after the other."""
    if first is None or second is None:
        return first or second

    def both(connection: Connection, ours: AbstractSet[int]) -> None:
        first(connection, ours)
        second(connection, ours)

    return both
