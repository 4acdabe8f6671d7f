"""The port's chapter on what is done to runs by hand."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from sqlalchemy import Connection

from jobsched.model.audit import Act
from jobsched.model.run import Answer, Reason, RunState
from jobsched_sql import auditing, by_hand
from jobsched_sql.store.base import OnDialect

#: To some runs, in a transaction: the answers, and the places that come free by it.
_Do = Callable[[Connection, Sequence[int]], tuple[list[Answer], list[by_hand.NewPlace]]]


class SqlByHand(OnDialect):
    """Many runs are some at once, each time in a transaction of their own."""

    def requeue(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        def again(connection: Connection, some: Sequence[int]) -> tuple[list[Answer], list[by_hand.NewPlace]]:
            return by_hand.requeue(connection, self._dialect, some), []

        answers, _ = self._done(run_ids, act, again)
        self._ring_if(any(answer.refused is None for answer in answers))
        return answers

    def cancel(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        answers, freed = self._done(
            run_ids, act, lambda connection, some: by_hand.cancel(connection, self._dialect, some)
        )
        self._fill(freed)
        if any(answer.state is RunState.RUNNING for answer in answers):
            self._dialect.ring("cancels")
        return answers

    def reschedule(self, run_ids: Sequence[int], at: datetime, *, act: Act | None = None) -> list[Answer]:
        answers, freed = self._done(run_ids, act, lambda connection, some: by_hand.reschedule(connection, some, at))
        self._fill(freed)
        self._ring_if(len(freed), "runs")
        return answers

    def _done(
        self, run_ids: Sequence[int], act: Act | None, do: _Do
    ) -> tuple[list[Answer], AbstractSet[by_hand.NewPlace]]:
        """The answers, and the places that are free by now."""
        freed: set[by_hand.NewPlace] = set()

        def work(connection: Connection, some: Sequence[int]) -> tuple[list[Answer], list[by_hand.NewPlace]]:
            answers, places = do(connection, some)
            auditing.record_answers(connection, self._dialect, act, answers)
            return answers, places

        def write(some: Sequence[int]) -> list[Answer]:
            answers, places = self._dialect.write(lambda connection: work(connection, some))
            freed.update(places)
            return answers

        return _in_parts(run_ids, write), freed

    def _fill(self, freed: AbstractSet[by_hand.NewPlace]) -> None:
        if freed:
            keys = sorted({place.key for place in freed if place.key is not None})
            self._admit_after(
                sorted({place.namespace for place in freed}), keys, sorted({place.queue for place in freed})
            )

    def delete(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        def work(connection: Connection, some: Sequence[int]) -> list[Answer]:
            there = [] if act is None else auditing.touched(connection, some)
            answers = by_hand.delete(connection, self._dialect, some)
            gone = {answer.id for answer in answers if answer.refused is None}
            auditing.record_runs(connection, self._dialect, act, [one for one in there if one.id in gone])
            return answers

        def remove(some: Sequence[int]) -> list[Answer]:
            return self._dialect.write(lambda connection: work(connection, some))

        return _in_parts(run_ids, remove)

    def cancel_requests(self, node: int) -> dict[tuple[int, int], Reason]:
        return self._dialect.read(lambda connection: by_hand.cancel_requests(connection, node))


def _in_parts(run_ids: Sequence[int], act: Callable[[Sequence[int]], list[Answer]]) -> list[Answer]:
    """Of many runs, some at once, each time in a transaction of their own: nobody else waits long."""
    unique = list(dict.fromkeys(run_ids))
    parts = [unique[start : start + by_hand.AT_ONCE] for start in range(0, len(unique), by_hand.AT_ONCE)]
    return [answer for part in parts for answer in act(part)]
