"""The store port over any SQL dialect: each method says in which kind of transaction its statements run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from jobsched.model.alert import Breach, NewBreach, Untold
from jobsched.model.alike import kinds
from jobsched.model.audit import Act, AuditFilter, AuditRow
from jobsched.model.backfill import Refill, SlotRow
from jobsched.model.figures import JobFigures, Sizes
from jobsched.model.health import Inspection
from jobsched.model.once import MadeOnce, Once
from jobsched.model.overview import Flow, Outline, Place, Record
from jobsched.model.pause import Pause, Pauses
from jobsched.model.queue import QueueLimits
from jobsched.model.run import (
    Answer,
    Became,
    Claim,
    Created,
    Glance,
    Lack,
    LogLine,
    NewRun,
    OwnedRun,
    Reason,
    Run,
    RunFilter,
    RunState,
    Transition,
)
from jobsched.model.sla import MissedSlot, SlaFacts
from jobsched.model.state import (
    ActualState,
    DueJob,
    Firing,
    Generation,
    Node,
    Resumption,
    SchemaStatus,
    StoredJob,
    SyncChange,
)
from jobsched.store.port import Beat, ClaimWish, Doorbell, Outlook, Promoted, Retention, Topic
from jobsched_sql import (
    admission,
    alerts,
    auditing,
    backfill,
    by_hand,
    conflicts,
    due_runs,
    failures,
    figures,
    idempotency,
    insertion,
    inspection,
    logs,
    nodes,
    outlook,
    overview,
    pausing,
    questions,
    queues,
    retention,
    schema,
    slots,
    sync,
)
from jobsched_sql.dialect import Dialect

_MAKES_WORK = frozenset({RunState.PENDING, RunState.SCHEDULED})


class SqlStore:
    """A `jobsched.store.port.Store`; the port's docstrings say what each method means."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @property
    def name(self) -> str:
        return self._dialect.name

    @property
    def writes_in_turn(self) -> bool:
        return self._dialect.writes_in_turn

    def close(self) -> None:
        self._dialect.close()

    def now(self) -> datetime:
        return self._dialect.given_now() or self._dialect.read(self._dialect.now)

    # -- schema

    def schema(self) -> SchemaStatus:
        return schema.schema(self._dialect)

    def migrate(self) -> None:
        schema.migrate(self._dialect)

    def schema_script(self) -> str:
        return schema.script(self._dialect)

    # -- sync

    def actual(self, namespace: str) -> ActualState:
        return self._dialect.snapshot(lambda connection: sync.actual(connection, namespace))

    def apply(self, change: SyncChange, *, act: Act | None = None, once: Once | None = None) -> Generation:
        def write(connection: Connection) -> Generation:
            generation = sync.apply(connection, self._dialect, change)
            if act is not None:
                auditing.record(connection, self._dialect, [act], generation=generation.number)
            idempotency.claim(connection, self._dialect, once, {"job": next(iter(change.names), None)})
            return generation

        generation = self._dialect.write(write)
        slots = [run for write in change.writes for run in write.slots]
        self._settle(slots)
        if change.queues is not None:
            self.admit([change.namespace])
        self._ring_replaced(slots)
        self._dialect.ring("jobs")
        return generation

    def outlook(self, namespaces: Sequence[str]) -> Outlook:
        return self._dialect.read(lambda connection: outlook.outlook(connection, namespaces))

    # -- slots

    def next_due(self, namespaces: Sequence[str]) -> datetime | None:
        return self._dialect.read(lambda connection: slots.next_due(connection, namespaces))

    def due(self, namespaces: Sequence[str], until: datetime, limit: int) -> list[DueJob]:
        return self._dialect.read(lambda connection: slots.due(connection, namespaces, until, limit))

    def prepare(self, firings: Sequence[Firing]) -> list[Firing]:
        return [replace(firing, prepared=self._dialect.prepared(firing)) for firing in firings]

    def fire(self, firings: Sequence[Firing]) -> list[Created]:
        return self._fired(firings, None)[0]

    def fire_and_claim(self, firings: Sequence[Firing], wish: ClaimWish) -> tuple[list[Created], list[Claim]]:
        # What is chosen queue by queue is left to `claim`.
        of_any_queue = wish.queues is None and not wish.paused and not wish.shares
        return self._fired(firings, wish if of_any_queue and wish.limit > 0 else None)

    def _fired(self, firings: Sequence[Firing], wish: ClaimWish | None) -> tuple[list[Created], list[Claim]]:
        if not firings:
            return [], []
        made, claims = slots.fire(self._dialect, firings, wish)
        return self._announced(made, [run for firing in firings for run in firing.runs]), claims

    def slot_states(self, namespace: str, job: str, slots: Sequence[datetime]) -> list[SlotRow]:
        return self._dialect.read(lambda connection: questions.slot_states(connection, namespace, job, slots))

    def backfill(self, refill: Refill, *, act: Act | None = None) -> list[Created] | None:
        def fill(connection: Connection) -> list[Created] | None:
            made = backfill.backfill(connection, self._dialect, refill)
            auditing.record_runs(connection, self._dialect, act, auditing.of_jobs(made or ()))
            return made

        made = self._dialect.write(fill)
        return None if made is None else self._announced(made, refill.runs)

    # -- pauses

    def pauses(self, namespaces: Sequence[str]) -> list[Pause]:
        return self._dialect.read(lambda connection: pausing.standing(connection, namespaces))

    def pause(self, pauses: Sequence[Pause], *, acts: Sequence[Act] = ()) -> None:
        def hold(connection: Connection) -> None:
            pausing.put(connection, self._dialect, pauses)
            auditing.record(connection, self._dialect, acts)

        self._dialect.write(hold)
        self._dialect.ring("jobs")

    def resume(self, resumption: Resumption, *, acts: Sequence[Act] = ()) -> bool:
        def end(connection: Connection) -> None:
            pausing.resume(connection, self._dialect, resumption)
            auditing.record(connection, self._dialect, acts)

        try:
            self._dialect.write(end)
        except pausing.MovedError:
            return False
        self._dialect.ring("jobs")
        return True

    # -- runs

    def enqueue(
        self,
        runs: Sequence[NewRun],
        connection: object = None,
        *,
        act: Act | None = None,
        once: Once | None = None,
    ) -> list[Created]:
        then = None if act is None and once is None else self._noting(runs, act, once)
        if connection is not None:
            within = self._dialect.within
            return within(connection, lambda theirs: self._enqueue_within(theirs, runs, then)) if runs else []
        enqueued = insertion.enqueue(self._dialect, runs, then)
        made = self._announced(enqueued.made, runs, rung=enqueued.rung)
        if any(one.existing for one in made):
            moved = [run for run, one in zip(runs, made, strict=True) if conflicts.has_changed(run, one)]
            if moved:
                self._settle(moved)
                self._dialect.ring("runs")
        return made

    def _noting(self, runs: Sequence[NewRun], act: Act | None, once: Once | None) -> insertion.Then:
        def note(connection: Connection, made: Sequence[Created | None]) -> None:
            auditing.record_runs(connection, self._dialect, act, auditing.made(runs, made))
            ids = [[one.id, one.existing] for one in made if one is not None]
            idempotency.claim(connection, self._dialect, once, {"runs": ids})

        return note

    def _enqueue_within(self, theirs: Connection, runs: Sequence[NewRun], then: insertion.Then | None) -> list[Created]:
        made = insertion.enqueue_within(theirs, self._dialect, runs)
        if then is not None:
            then(theirs, made)
        if any(not one.existing or conflicts.has_changed(run, one) for run, one in zip(runs, made, strict=True)):
            self._dialect.ring_within(theirs, "runs")
        return made

    def _announced(self, made: list[Created], runs: Sequence[NewRun], *, rung: bool = False) -> list[Created]:
        new = {created.state for created in made if not created.existing}
        admitted = self._settle(kinds(runs)) if RunState.BLOCKED in new else admission.Admitted(0)
        if admitted.runs:
            made = self._dialect.read(lambda connection: insertion.admitted_since(connection, made))
        # A node that knows of no run which waits for a rate does not look when its next place comes.
        if not rung and (new & _MAKES_WORK or admitted.by_rate):
            self._dialect.ring("runs")
        self._ring_replaced(runs)
        return made

    def _ring_replaced(self, runs: Sequence[NewRun]) -> None:
        if any(run.replaces for run in kinds(runs)):
            self._dialect.ring("cancels")

    def _settle(self, runs: Sequence[NewRun]) -> admission.Admitted:
        """Look at keys and queues of which runs were blocked. What a queue lets in is decided here alone; and a holder of
        a key may have finished after it was counted, and before the blocked run could be seen by whoever admits after a finish.
        """
        keys = sorted({run.key for run in runs if run.key is not None})
        namespaces = sorted({run.namespace for run in runs})
        if not runs:
            return admission.Admitted(0)
        return self._admit(namespaces, keys, sorted({run.queue for run in runs}))

    def promote(self, namespaces: Sequence[str], limit: int) -> Promoted:
        promoted = due_runs.promote(self._dialect, namespaces, limit)
        self._ring_if(promoted.count + len(promoted.missed))
        return promoted

    def admit(self, namespaces: Sequence[str], keys: Sequence[str] | None = None, queues: Sequence[str] = ()) -> int:
        return self._admit(namespaces, keys, queues).runs

    def _admit(
        self, namespaces: Sequence[str], keys: Sequence[str] | None, in_queues: Sequence[str]
    ) -> admission.Admitted:
        admitted = admission.admit(self._dialect, namespaces, keys, in_queues)
        self._ring_if(admitted.runs)
        return admitted

    def next_places(self, namespaces: Sequence[str]) -> dict[str, datetime | None]:
        return self._dialect.read(lambda connection: queues.next_places(connection, self._dialect, namespaces))

    def _ring_if(self, count: int) -> None:
        if count:
            self._dialect.ring("runs")

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
        self._ring_if(any(_makes_work(one) and one.id in ours for one in transitions))
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

    # -- runs, by hand

    def requeue(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        def work(connection: Connection, some: Sequence[int]) -> list[Answer]:
            answers = by_hand.requeue(connection, self._dialect, some)
            auditing.record_answers(connection, self._dialect, act, answers)
            return answers

        def again(some: Sequence[int]) -> list[Answer]:
            return self._dialect.write(lambda connection: work(connection, some))

        answers = _in_parts(run_ids, again)
        self._ring_if(any(answer.refused is None for answer in answers))
        return answers

    def cancel(self, run_ids: Sequence[int], *, act: Act | None = None) -> list[Answer]:
        freed: set[by_hand.NewPlace] = set()

        def work(connection: Connection, some: Sequence[int]) -> tuple[list[Answer], list[by_hand.NewPlace]]:
            answers, places = by_hand.cancel(connection, self._dialect, some)
            auditing.record_answers(connection, self._dialect, act, answers)
            return answers, places

        def end(some: Sequence[int]) -> list[Answer]:
            answers, places = self._dialect.write(lambda connection: work(connection, some))
            freed.update(places)
            return answers

        answers = _in_parts(run_ids, end)
        self._fill(freed)
        if any(answer.state is RunState.RUNNING for answer in answers):
            self._dialect.ring("cancels")
        return answers

    def reschedule(self, run_ids: Sequence[int], at: datetime, *, act: Act | None = None) -> list[Answer]:
        freed: set[by_hand.NewPlace] = set()

        def work(connection: Connection, some: Sequence[int]) -> tuple[list[Answer], list[by_hand.NewPlace]]:
            answers, places = by_hand.reschedule(connection, some, at)
            auditing.record_answers(connection, self._dialect, act, answers)
            return answers, places

        def move(some: Sequence[int]) -> list[Answer]:
            answers, places = self._dialect.write(lambda connection: work(connection, some))
            freed.update(places)
            return answers

        answers = _in_parts(run_ids, move)
        self._fill(freed)
        self._ring_if(bool(freed))
        return answers

    def _fill(self, freed: Collection[by_hand.NewPlace]) -> None:
        if freed:
            keys = sorted({place.key for place in freed if place.key is not None})
            self.admit(sorted({place.namespace for place in freed}), keys, sorted({place.queue for place in freed}))

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

    # -- nodes

    def register(
        self, *, host: str, pid: int, version: str, namespaces: Sequence[str], lease: timedelta, info: Mapping[str, Any]
    ) -> int:
        row = nodes.node_row(host=host, pid=pid, version=version, namespaces=namespaces, lease=lease, info=info)
        return self._dialect.write_once(lambda connection: nodes.register(connection, self._dialect, row))

    def heartbeat(self, node: int, info: Mapping[str, Any]) -> Beat:
        return self._dialect.write_once(lambda connection: nodes.heartbeat(connection, self._dialect, node, info))

    def leave(self, node: int) -> None:
        self._dialect.write(lambda connection: nodes.leave(connection, node))

    def bury(self) -> list[int]:
        return self._dialect.write(lambda connection: nodes.bury(connection, self._dialect))

    def nodes(self) -> list[Node]:
        return self._dialect.read(lambda connection: nodes.listed(connection, self._dialect))

    # -- logs

    def append_log(self, lines: Sequence[LogLine]) -> None:
        if lines:
            self._dialect.write(lambda connection: logs.append(connection, self._dialect, lines))

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        return self._dialect.read(lambda connection: logs.read(connection, run_id, attempt, after, limit))

    def progress(self, run_ids: Sequence[int]) -> dict[int, LogLine]:
        return self._dialect.read(lambda connection: logs.progress(connection, run_ids))

    # -- what was done, and what is done once

    def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        return self._dialect.read(lambda connection: auditing.rows(connection, wanted))

    def made_once(self, namespace: str, key: str) -> MadeOnce | None:
        return self._dialect.read(lambda connection: idempotency.find(connection, self._dialect, namespace, key))

    def keep_answer(self, once: Once, answer: Any) -> Any:
        return self._dialect.write(lambda connection: idempotency.keep_answer(connection, once, answer))

    # -- alerts

    def note(self, breaches: Sequence[NewBreach]) -> int:
        if not breaches:
            return 0
        return self._dialect.write(lambda connection: alerts.note(connection, self._dialect, breaches))

    def note_beginnings(self, fences: Sequence[tuple[int, int]]) -> int:
        if not fences:
            return 0
        return self._dialect.write(lambda connection: alerts.note_beginnings(connection, self._dialect, fences))

    def end_breaches(self, ids: Sequence[int]) -> None:
        if ids:
            self._dialect.write(lambda connection: alerts.end(connection, self._dialect, ids))

    def tell(self, untold: Sequence[Untold], runs: Sequence[NewRun]) -> bool:
        try:
            made = self._dialect.write(lambda connection: alerts.tell(connection, self._dialect, untold, runs))
        except alerts.CannotTellError:
            return False
        self._announced([created for created in made if created is not None], runs)
        return True

    def untold(self, namespaces: Sequence[str]) -> list[Untold]:
        return self._dialect.read(lambda connection: alerts.untold(connection, namespaces))

    def open_breaches(self, namespace: str) -> list[Breach]:
        return self._dialect.read(lambda connection: alerts.open_breaches(connection, namespace))

    def watched_jobs(self, namespace: str) -> list[StoredJob]:
        return self._dialect.read(lambda connection: alerts.watched_jobs(connection, namespace))

    def missed(self, namespace: str, since: datetime) -> list[MissedSlot]:
        return self._dialect.read(lambda connection: alerts.missed(connection, namespace, since))

    def sla_facts(self, namespace: str, jobs: Sequence[str]) -> SlaFacts:
        return self._dialect.read(lambda connection: alerts.sla_facts(connection, self._dialect, namespace, jobs))

    # -- questions

    def namespaces(self) -> list[str]:
        return self._dialect.read(questions.namespaces)

    def generations(self, namespace: str, limit: int = 20) -> list[Generation]:
        return self._dialect.read(lambda connection: sync.newest(connection, namespace, limit))

    def queue_limits(self, namespace: str) -> dict[str, QueueLimits]:
        return self._dialect.read(lambda connection: queues.declared(connection, namespace))

    def jobs(self, namespace: str, names: Sequence[str] | None = None) -> list[StoredJob]:
        return self._dialect.read(lambda connection: questions.jobs(connection, namespace, names))

    def run(self, run_id: int) -> Run | None:
        return self._dialect.read(lambda connection: questions.run(connection, run_id))

    def lacks(self, run_id: int) -> list[Lack]:
        return self._dialect.read(lambda connection: admission.lacks(connection, self._dialect, run_id))

    def runs(self, wanted: RunFilter) -> list[Run]:
        return self._dialect.read(lambda connection: questions.runs(connection, wanted))

    def slot_rows(self, namespace: str, job: str, first: datetime | None, last: datetime, limit: int) -> list[Run]:
        return self._dialect.read(
            lambda connection: questions.slot_rows(connection, namespace, job, first, last, limit)
        )

    def last_runs(self, namespace: str) -> dict[str, Run]:
        return self._dialect.read(lambda connection: questions.last_runs(connection, namespace))

    def recent_runs(self, namespace: str, jobs: Sequence[str], count: int) -> dict[str, list[Glance]]:
        return self._dialect.read(
            lambda connection: questions.recent_runs(connection, self._dialect, namespace, jobs, count)
        )

    def jobs_with_history(self, namespace: str) -> list[str]:
        return self._dialect.read(lambda connection: questions.jobs_with_history(connection, namespace))

    def counts(self, namespaces: Sequence[str]) -> dict[tuple[str, RunState], int]:
        return self._dialect.read(lambda connection: questions.counts(connection, namespaces))

    def batch_counts(self, namespace: str, batch: str) -> dict[RunState, int]:
        return self._dialect.read(lambda connection: questions.batch_counts(connection, namespace, batch))

    def is_batch_done(self, namespace: str, batch: str) -> bool:
        return self._dialect.read(lambda connection: questions.is_batch_done(connection, namespace, batch))

    def oldest_pending(self, namespace: str) -> dict[str, datetime]:
        return self._dialect.read(lambda connection: questions.oldest_pending(connection, namespace))

    def job_figures(self, namespace: str) -> list[JobFigures]:
        return self._dialect.read(lambda connection: figures.job_figures(connection, namespace))

    def sizes(self) -> Sizes:
        return self._dialect.read(self._dialect.sizes)

    def unfinished(self, run_ids: Sequence[int]) -> set[int]:
        return self._dialect.read(lambda connection: questions.unfinished(connection, run_ids))

    def outlines(self, namespace: str, after: int = 0, *, beyond: str = "", limit: int | None = None) -> list[Outline]:
        return self._dialect.read(lambda connection: overview.outlines(connection, namespace, after, beyond, limit))

    def job_names(self, namespace: str) -> list[str]:
        return self._dialect.read(lambda connection: overview.job_names(connection, namespace))

    def failing_jobs(self, namespace: str) -> frozenset[str]:
        return self._dialect.read(lambda connection: overview.failing_jobs(connection, namespace))

    def flow(self, namespace: str, first: datetime, last: datetime, sample: int = 200) -> Flow:
        return self._dialect.read(lambda connection: overview.flow(connection, namespace, first, last, sample))

    def record(self, namespace: str, number: int) -> Record | None:
        return self._dialect.read(lambda connection: overview.record(connection, namespace, number))

    def place(self, namespace: str, job: str) -> Place | None:
        return self._dialect.read(lambda connection: overview.place(connection, namespace, job))

    def last_lines(
        self, run_id: int, *, attempt: int | None = None, before: tuple[int, int] | None = None, limit: int = 1000
    ) -> list[LogLine]:
        return self._dialect.read(lambda connection: overview.last_lines(connection, run_id, attempt, before, limit))

    def inspect(self, namespace: str) -> Inspection:
        return inspection.inspection(self._dialect, namespace)

    # -- housekeeping

    def prune(self, retentions: Sequence[Retention], limit: int) -> int:
        return retention.prune(self._dialect, retentions, limit)

    def forget_changes(self, namespace: str) -> int:
        return self._dialect.write(lambda connection: sync.forget_changes(connection, namespace))

    def tidy(self) -> None:
        self._dialect.write(lambda connection: nodes.forget_dead(connection, self._dialect))
        self._dialect.write(lambda connection: pausing.forget_orphans(connection, self._dialect))
        self._dialect.write(admission.forget_unused)
        self._dialect.write(sync.forget_old)
        self._dialect.write(lambda connection: alerts.forget(connection, self._dialect))
        auditing.forget(self._dialect)
        idempotency.forget(self._dialect)
        self._dialect.tidy()

    # -- wake-ups

    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell:
        return self._dialect.listen(on_ring)


def _makes_work(transition: Transition) -> bool:
    return transition.state in _MAKES_WORK or transition.on_failure is not None


def _both(first: failures.AfterFinish | None, second: failures.AfterFinish | None) -> failures.AfterFinish | None:
    """One after the other."""
    if first is None or second is None:
        return first or second

    def both(connection: Connection, ours: AbstractSet[int]) -> None:
        first(connection, ours)
        second(connection, ours)

    return both


def _in_parts(run_ids: Sequence[int], act: Callable[[Sequence[int]], list[Answer]]) -> list[Answer]:
    """Of many runs, some at once, each time in a transaction of their own: nobody else waits long."""
    unique = list(dict.fromkeys(run_ids))
    parts = [unique[start : start + by_hand.AT_ONCE] for start in range(0, len(unique), by_hand.AT_ONCE)]
    return [answer for part in parts for answer in act(part)]
