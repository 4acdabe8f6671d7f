"""Random lives of runs on both databases, beside a model of the table of states."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.examples import examples

from jobsched.model.run import Claim, Created, Reason, Refusal, Run, RunState, Source, Transition
from jobsched.store.port import Store
from jobsched.testing.builders import (
    LEASE,
    MINUTE,
    a_change,
    a_firing,
    a_limited_job,
    a_node,
    a_pause,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    newest_number,
    queue_limits,
    runs,
)
from jobsched.testing.clock import FakeClock

SCHEDULED, PENDING, BLOCKED, RUNNING = RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING
SUCCEEDED, FAILED, CANCELLED, SKIPPED = RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED

FORBID, QUEUE, AD_HOC = "job:forbid", "job:queue", "customer"
#: A queue with a limit, whose runs have no key: what it admits is by the rule of a key, so the model takes it for one.
NARROW = "queue:narrow"
LIMITS = {FORBID: 3, QUEUE: 1, AD_HOC: 1, NARROW: 2}
MAX_QUEUED = 2
#: A fresh namespace for each example, so that all of them share one database.
NAMESPACES = (f"example-{number}" for number in itertools.count())

SETTINGS = settings(
    max_examples=examples(10, 50), stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_every_life_of_a_run_is_one_of_the_table(
    database_url: str, opened: Callable[[str], Store], clock: FakeClock
) -> None:
    store = opened(database_url)

    # Any factory will do, whatever its annotation says.
    run_state_machine_as_test(lambda: RunMachine(store, clock), settings=SETTINGS)  # type: ignore[arg-type]


@dataclass
class ModelRun:
    """What the table of states says about one run."""

    id: int
    state: RunState
    key: str | None
    priority: int
    available_at: datetime
    job: str | None
    slot: datetime | None
    attempt: int = 0
    claimed_before: bool = False
    claim: Claim | None = None
    past_claims: list[Claim] = field(default_factory=list)
    abandoned_by: int | None = None
    queue: str = "default"
    asked_to_stop: bool = False

    @property
    def place(self) -> tuple[int, datetime, int]:
        """In the order in which runs are claimed and admitted."""
        return (self.priority, self.available_at, self.id)

    @property
    def unfinished(self) -> bool:
        """In the sense of the overlap rule."""
        waits_to_go_on = self.state == SCHEDULED and (self.claimed_before or self.slot is not None)
        return waits_to_go_on or self.state == BLOCKED or self.holds_its_key

    @property
    def holds_its_key(self) -> bool:
        return self.state in (PENDING, RUNNING) or self.abandoned_by is not None


class RunMachine(RuleBasedStateMachine):
    def __init__(self, store: Store, clock: FakeClock) -> None:
        super().__init__()
        self.store, self.clock = store, clock
        self.namespace = next(NAMESPACES)
        self.jobs = {
            job.name: job
            for job in (
                a_limited_job("forbid", limit=LIMITS[FORBID], namespace=self.namespace),
                a_limited_job("queue", policy="queue", max_queued=MAX_QUEUED, namespace=self.namespace),
            )
        }
        given_jobs(store, *self.jobs.values(), now=clock.now())
        seen = newest_number(store, self.namespace)
        store.apply(a_change(namespace=self.namespace, queues=queue_limits({"narrow": LIMITS[NARROW]}), seen=seen))
        self.cursors = dict.fromkeys(self.jobs, clock.now())
        self.nodes = [a_node(store), a_node(store)]
        self.model: dict[int, ModelRun] = {}
        self.forgotten: list[Claim] = []  #: claims of runs that were deleted since
        self.begin_in_the_middle()

    def begin_in_the_middle(self) -> None:
        """Some wait, some run, one was asked to stop, one has failed, one has a thread that goes on: else few lives get so far."""
        for key in (None, None, None, None, FORBID, FORBID, NARROW, NARROW, NARROW):
            self.enqueue(key=key, queue="default", priority=0, delay=None, count=1)
        self.claim(which=0, limit=6, paused=None, queues=None)
        abandoned, failed, asked, *_ = self.running()
        self.give_up(abandoned)
        self.end([failed], FAILED)
        self.ask_to_stop([asked])

    def teardown(self) -> None:
        for node in self.nodes:
            self.store.leave(node)

    # -- runs are made

    @rule(
        key=st.sampled_from([None, AD_HOC, FORBID, FORBID, QUEUE, NARROW]),
        queue=st.sampled_from(["default", "mail"]),
        priority=st.integers(-1, 1),
        delay=st.sampled_from([None, None, timedelta(seconds=5), MINUTE]),
        count=st.integers(1, 4),
    )
    def enqueue(self, key: str | None, queue: str, priority: int, delay: timedelta | None, count: int) -> None:
        job = self.jobs.get(key.removeprefix("job:")) if key else None
        if job is None and key in (FORBID, QUEUE):
            return
        at = None if delay is None else self.clock.now() + delay
        queue = "narrow" if key == NARROW else queue
        key_of_run = None if key == NARROW else key
        new = (
            a_run(namespace=self.namespace, key=key_of_run, queue=queue, priority=priority, available_at=at)
            if job is None
            else a_trigger(job, queue=queue, priority=priority, available_at=at, max_attempts=3)
        )

        created = self.store.enqueue([new] * count)

        assert len(created) == count
        for one in created:
            expected = {SCHEDULED} if delay else self.asked_for(key)
            self.made(one, key, priority, at, expected)
            self.model[one.id].queue = queue
        self.follow_admissions()

    @rule(
        name=st.sampled_from(["forbid", "queue"]),
        jitter=st.sampled_from([None, None, None, timedelta(seconds=5)]),
        count=st.integers(1, 4),
    )
    def fire(self, name: str, jitter: timedelta | None, count: int) -> None:
        job = self.jobs.get(name)
        if job is None:
            return
        [stored] = self.store.jobs(self.namespace, [name])
        at = None if jitter is None else self.clock.now() + jitter
        slots = [a_slot(job, stored.cursor + number * MINUTE, available_at=at) for number in range(1, count + 1)]
        firing = a_firing(stored, *slots)

        created = self.store.fire([firing])

        assert stored.cursor == self.cursors[name]
        assert [one.scheduled_at for one in created] == [slot.scheduled_at for slot in slots]
        assert self.store.fire([firing]) == []
        self.cursors[name] = firing.cursor
        for one in created:
            key = job.concurrency_key
            expected = self.forbidding(jitter) if name == "forbid" else self.queueing(jitter)
            self.made(one, key, job.priority, at, expected)
        self.follow_admissions()

    def asked_for(self, key: str | None) -> set[RunState]:
        if key is None:
            return {PENDING}
        if not self.of_key(key, BLOCKED):
            return {PENDING} if self.free_places(key) else {BLOCKED}
        # It waits behind those that wait, unless the store has just admitted it, which goes by priority.
        return {BLOCKED, PENDING} if self.free_places(key) > 0 else {BLOCKED}

    def forbidding(self, jitter: timedelta | None) -> set[RunState]:
        if sum(run.unfinished for run in self.of_key(FORBID)) >= LIMITS[FORBID]:
            return {SKIPPED}
        return {SCHEDULED} if jitter else {PENDING}

    def queueing(self, jitter: timedelta | None) -> set[RunState]:
        if jitter:
            return {SCHEDULED}
        allowed = self.asked_for(QUEUE)
        waiting, free = len(self.of_key(QUEUE, BLOCKED)), self.free_places(QUEUE)
        if BLOCKED in allowed and waiting >= MAX_QUEUED:
            # Those that wait may have been admitted just before: then there is room.
            allowed = {SKIPPED, *({BLOCKED} if free else set())}
        return allowed

    def made(self, one: Created, key: str | None, priority: int, at: datetime | None, expected: set[RunState]) -> None:
        assert one.state in expected, f"{one.state} is none of {expected}"
        assert one.id not in self.model
        assert one.reason == (Reason.OVERLAP if one.state == SKIPPED else None)
        self.model[one.id] = ModelRun(
            one.id, one.state, key, priority, at or self.clock.now(), one.job, one.scheduled_at
        )

    # -- time passes

    @rule(seconds=st.sampled_from([1, 5, 20]))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for node in self.nodes:
            assert self.store.heartbeat(node, {}).alive

    @rule()
    def promote(self) -> None:
        due = {run.id for run in self.model.values() if run.state == SCHEDULED and run.available_at <= self.clock.now()}
        waited = {key: bool(self.of_key(key, BLOCKED)) for key in LIMITS}

        promoted = self.store.promote([self.namespace], 1000)

        assert promoted.count == len(due)
        later = [run.available_at for run in self.model.values() if run.state == SCHEDULED and run.id not in due]
        assert promoted.next_at == min(later, default=None)
        for run_id in due:
            mine = self.model[run_id]
            mine.state = self.stored()[run_id].state
            assert mine.state in ({PENDING} if mine.key is None else {PENDING, BLOCKED})
        self.follow_admissions()
        for key in LIMITS:
            blocked = due & {run.id for run in self.of_key(key, BLOCKED)}
            assert not blocked or waited[key] or self.free_places(key) <= 0, f"{key} has a free place"

    @rule()
    def admit(self) -> None:
        before = sum(run.state == BLOCKED for run in self.model.values())

        admitted = self.store.admit([self.namespace])

        self.follow_admissions()
        assert admitted == before - sum(run.state == BLOCKED for run in self.model.values())
        for key in LIMITS:
            assert not self.of_key(key, BLOCKED) or self.free_places(key) == 0, f"{key} has a free place"

    # -- nodes work

    @rule(
        which=st.integers(0, 1),
        limit=st.sampled_from([1, 3, 100]),
        paused=st.sampled_from([None, None, None, None, "mail", "narrow", ""]),
        queues=st.sampled_from([None, None, None, ["default"], ["mail", "narrow"]]),
    )
    def claim(self, which: int, limit: int, paused: str | None, queues: list[str] | None) -> None:
        held = () if paused is None else (a_pause("queue" if paused else "all", paused, namespace=self.namespace),)
        pending = sorted(
            (
                run
                for run in self.model.values()
                if run.state == PENDING and paused not in ("", run.queue) and (queues is None or run.queue in queues)
            ),
            key=lambda run: run.place,
        )

        claimed = claim(
            self.store, self.nodes[which], limit, generations={self.namespace: 1}, paused=held, queues=queues
        )

        assert [one.id for one in claimed] == [run.id for run in pending[:limit]]
        for one in claimed:
            mine = self.model[one.id]
            assert one.attempt == mine.attempt + 1
            assert all(one.claim_no > past.claim_no for past in mine.past_claims)
            assert one.key == (None if mine.key == NARROW else mine.key)
            assert (one.queue, one.job, one.scheduled_at) == (mine.queue, mine.job, mine.slot)
            mine.state, mine.attempt, mine.claimed_before, mine.claim = RUNNING, one.attempt, True, one

    @precondition(lambda self: self.running())
    @rule(data=st.data(), state=st.sampled_from([SUCCEEDED, SUCCEEDED, FAILED, CANCELLED, SCHEDULED, PENDING]))
    def finish(self, data: st.DataObject, state: RunState) -> None:
        some = data.draw(st.lists(st.sampled_from(self.running()), min_size=1, unique_by=lambda run: run.id))
        chosen = data.draw(st.sampled_from([some, self.running()]))
        self.end(chosen, state)

    def end(self, chosen: list[ModelRun], state: RunState) -> None:
        transitions = [self.leaving(run, state) for run in chosen]

        assert self.store.finish(transitions).keys() == {run.id for run in chosen}
        assert self.store.finish(transitions).keys() == set()

        for run in chosen:
            run.state = self.after_removal(run, state)
            self.disown(run)

    def leaving(self, run: ModelRun, state: RunState) -> Transition:
        """The transition that moves it there, with the model following."""
        assert run.claim is not None
        match state:
            case RunState.SCHEDULED:
                at = self.clock.now() + timedelta(seconds=5)
                run.available_at = at if self.after_removal(run, state) is SCHEDULED else run.available_at
                return a_retry(run.claim, at)
            case RunState.PENDING:
                run.attempt -= 1
                return given_back(run.claim)
            case _:
                return a_transition(run.claim, state)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        self.give_up(data.draw(st.sampled_from(self.running())))

    def give_up(self, mine: ModelRun) -> None:
        assert mine.claim is not None

        assert self.store.finish([a_transition(mine.claim, FAILED, abandoned=True)]).keys() == {mine.id}

        mine.state, mine.abandoned_by = FAILED, mine.claim.node
        self.disown(mine)

    @precondition(lambda self: self.abandoned())
    @rule(data=st.data())
    def end_abandoned(self, data: st.DataObject) -> None:
        mine = data.draw(st.sampled_from(self.abandoned()))
        assert mine.abandoned_by is not None

        self.store.end_abandoned([mine.id], mine.abandoned_by)

        mine.abandoned_by = None

    @precondition(lambda self: self.past_claims())
    @rule(data=st.data(), state=st.sampled_from([SUCCEEDED, FAILED, SCHEDULED, PENDING]))
    def finish_too_late(self, data: st.DataObject, state: RunState) -> None:
        past = data.draw(st.sampled_from(self.past_claims()))

        late = a_transition(past, state, available_at=self.clock.now() + MINUTE, result="late")

        assert self.store.finish([late]).keys() == set()

    @rule(which=st.integers(0, 1))
    def lose_a_node(self, which: int) -> None:
        dead, survivor = self.nodes[which], self.nodes[1 - which]
        for _ in range(2):
            self.clock.advance(LEASE * 0.6)
            assert self.store.heartbeat(survivor, {}).alive

        assert dead in self.store.bury()

        lost = self.store.owned(dead)
        assert {one.id for one in lost} == {run.id for run in self.running() if run.claim and run.claim.node == dead}
        rescued = [a_transition(one, PENDING, losses=one.losses + 1) for one in lost]
        assert self.store.finish(rescued).keys() == {one.id for one in lost}
        assert dead not in self.store.bury()
        assert not self.store.heartbeat(dead, {}).alive
        for one in lost:
            mine = self.model[one.id]
            mine.state = self.after_removal(mine, PENDING)
            self.disown(mine)
        for mine in self.abandoned():
            if mine.abandoned_by == dead:
                mine.abandoned_by = None
        self.nodes[which] = a_node(self.store)

    # -- people say what becomes of runs

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.ask_to_stop(self.some(data, lambda run: not run.state.final))

    def ask_to_stop(self, chosen: list[ModelRun]) -> None:
        answers = self.store.cancel([run.id for run in chosen])

        assert [one.refused for one in answers] == [Refusal.FINISHED if run.state.final else None for run in chosen]
        for run in chosen:
            if run.state == RUNNING:
                run.asked_to_stop = True
            elif not run.state.final:
                run.state = CANCELLED
        self.follow_admissions()
        asked = {(run.id, run.claim.claim_no) for run in self.running() if run.asked_to_stop and run.claim}
        assert {fence for node in self.nodes for fence in self.store.cancel_requests(node)} == asked

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        chosen = self.some(data, lambda run: run.state in (FAILED, CANCELLED))
        refused = [self.hinders_requeue(run) for run in chosen]

        answers = self.store.requeue([run.id for run in chosen])

        assert [one.refused for one in answers] == refused
        for run in chosen:
            if self.hinders_requeue(run) is not None:
                continue
            run.asked_to_stop = False
            if run.available_at > self.clock.now():
                run.state = SCHEDULED
            else:
                run.state, run.available_at = PENDING if run.key is None else BLOCKED, self.clock.now()
        self.follow_admissions()

    def hinders_requeue(self, run: ModelRun) -> Refusal | None:
        if not run.state.final:
            return Refusal.UNFINISHED
        if run.state == SUCCEEDED:
            return Refusal.SUCCEEDED
        if run.abandoned_by is not None:
            return Refusal.ABANDONED
        return Refusal.JOB_GONE if run.job is not None and run.job not in self.jobs else None

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        chosen = self.some(data, lambda run: run.state.final)

        answers = self.store.delete([run.id for run in chosen])

        for run, answer in zip(chosen, answers, strict=True):
            if not run.state.final:
                assert answer.refused is Refusal.UNFINISHED
            elif run.abandoned_by is not None:
                assert answer.refused is Refusal.ABANDONED
            else:
                assert (answer.state, answer.refused) == (None, None)
                self.forgotten += self.model.pop(run.id).past_claims

    # -- a job goes and comes back

    @precondition(lambda self: "queue" in self.jobs)
    @rule()
    def remove_the_queued_job(self) -> None:
        self.removed = self.jobs.pop("queue")
        seen = newest_number(self.store, self.namespace)

        self.store.apply(a_change(namespace=self.namespace, removals=["queue"], seen=seen))

        for run in self.model.values():
            if run.job == "queue" and run.state in (SCHEDULED, PENDING, BLOCKED):
                run.state = CANCELLED

    @precondition(lambda self: "queue" not in self.jobs)
    @rule()
    def add_it_again(self) -> None:
        self.jobs["queue"] = self.removed

        given_jobs(self.store, self.removed, now=self.cursors["queue"])

    def after_removal(self, run: ModelRun, state: RunState) -> RunState:
        """What becomes of a run that would go on, if it was asked to stop or its job is gone."""
        if run.asked_to_stop and state in (SCHEDULED, PENDING):
            return CANCELLED
        if run.job is None or run.job in self.jobs:
            return state
        return {SCHEDULED: FAILED, PENDING: CANCELLED}.get(state, state)

    # -- what always holds

    @invariant()
    def every_run_is_where_the_table_has_it_and_every_slot_has_one(self) -> None:
        stored = self.stored()
        assert {run_id: run.state for run_id, run in stored.items()} == {
            run_id: run.state for run_id, run in self.model.items()
        }
        for run_id, run in stored.items():
            mine = self.model[run_id]
            assert (run.finished_at is not None) == run.state.final
            assert run.attempt == mine.attempt
            assert run.state.final or run.available_at == mine.available_at
        slots = [(run.job, run.scheduled_at) for run in stored.values() if run.source == Source.SLOT]
        assert len(slots) == len(set(slots))

    @invariant()
    def no_key_has_more_holders_than_its_limit(self) -> None:
        for key in LIMITS:
            assert self.free_places(key) >= 0, f"{key} has too many holders"

    @invariant()
    def running_runs_are_owned(self) -> None:
        owned = {(one.id, one.node) for node in self.nodes for one in self.store.owned(node)}
        assert owned == {(run.id, run.claim.node) for run in self.running() if run.claim}

    @invariant()
    def counts_agree(self) -> None:
        counts = self.store.counts([self.namespace])
        unfinished = [run for run in self.model.values() if not run.state.final]
        assert sum(counts.values()) == len(unfinished)
        assert self.store.unfinished(list(self.model)) == {run.id for run in unfinished}

    # -- looking

    def stored(self) -> dict[int, Run]:
        return {run.id: run for run in runs(self.store, namespace=self.namespace)}

    def of_key(self, key: str, *states: RunState) -> list[ModelRun]:
        return [run for run in self.model.values() if run.key == key and (not states or run.state in states)]

    def free_places(self, key: str) -> int:
        return LIMITS[key] - sum(run.holds_its_key for run in self.of_key(key))

    def running(self) -> list[ModelRun]:
        return [run for run in self.model.values() if run.state == RUNNING]

    def some(self, data: st.DataObject, meant: Callable[[ModelRun], bool]) -> list[ModelRun]:
        """Up to three runs, in any order; often only such as are meant, so that it leads somewhere."""
        likely = [run for run in self.model.values() if meant(run)]
        runs = data.draw(st.sampled_from([likely, likely, list(self.model.values())])) or list(self.model.values())
        return data.draw(st.lists(st.sampled_from(runs), min_size=1, max_size=3, unique_by=lambda run: run.id))

    def past_claims(self) -> list[Claim]:
        return [*self.forgotten, *(past for run in self.model.values() for past in run.past_claims)]

    def abandoned(self) -> list[ModelRun]:
        return [run for run in self.model.values() if run.abandoned_by is not None]

    def disown(self, run: ModelRun) -> None:
        assert run.claim is not None
        run.past_claims.append(run.claim)
        run.claim = None

    def follow_admissions(self) -> None:
        """Blocked runs may have become pending, the foremost of each key first."""
        stored = self.stored()
        for key in LIMITS:
            blocked = sorted(self.of_key(key, BLOCKED), key=lambda run: run.place)
            admitted = [stored[run.id].state == PENDING for run in blocked]
            assert admitted == sorted(admitted, reverse=True), "not the foremost was admitted"
            for run in itertools.compress(blocked, admitted):
                run.state = PENDING
