"""The contract's chapter on what pages ask beside what programs do."""

from datetime import timedelta

from jobsched.model.overview import Flow, Place
from jobsched.model.run import LogLine, NewRun, Reason, RunFilter, RunState
from jobsched.model.state import Origin
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_free_job,
    a_node,
    a_run,
    a_skipped_slot,
    a_transition,
    a_trigger,
    a_write,
    claim,
    given_jobs,
    given_removed,
    newest_number,
)
from jobsched.testing.clock import FakeClock


class OverviewContract:
    def test_outlines_are_the_definitions_of_jobs_that_later_generations_wrote(self, store: Store) -> None:
        given_jobs(store, a_free_job("first", description="of old"))
        given_jobs(store, a_free_job("second", tags=("new",)), a_free_job("third"))
        given_jobs(store, a_free_job("other", namespace="elsewhere"))

        every, later = store.outlines("default"), store.outlines("default", 1)

        assert {each.name: each.generation for each in every} == {"first": 1, "second": 2, "third": 2}
        assert {each.name: each.definition.get("tags") for each in later} == {"second": ["new"], "third": None}
        assert {each.origin for each in every} == {Origin.FILE}
        assert store.outlines("default", 2) == []

    def test_outlines_are_read_a_few_at_a_time(self, store: Store) -> None:
        given_jobs(store, *(a_free_job(name) for name in ("b", "B-1", "a", "Z", "a.1")))

        read, beyond = [], ""
        while some := store.outlines("default", beyond=beyond, limit=2):
            read += [outline.name for outline in some]
            beyond = read[-1]

        assert sorted(read) == ["B-1", "Z", "a", "a.1", "b"]

    def test_job_names_are_those_of_all_jobs_that_are_there(self, store: Store) -> None:
        given_jobs(store, a_free_job("b"), a_free_job("a"), a_free_job("gone"))
        given_jobs(store, a_free_job("other", namespace="elsewhere"))
        given_removed(store, "gone")

        assert store.job_names("default") == ["a", "b"]

    def test_a_job_is_failing_while_its_newest_run_that_ran_to_an_end_has_failed(self, store: Store) -> None:
        good, bad, mended = a_free_job("good"), a_free_job("bad"), a_free_job("mended")
        given_jobs(store, good, bad, mended)
        ended(store, a_trigger(good), RunState.SUCCEEDED)
        ended(store, a_trigger(mended), RunState.FAILED)
        ended(store, a_trigger(mended), RunState.SUCCEEDED)
        ended(store, a_trigger(bad), RunState.SUCCEEDED)
        ended(store, a_trigger(bad), RunState.FAILED)
        store.enqueue([a_skipped_slot(bad, START), a_trigger(bad)])

        assert store.failing_jobs("default") == {"bad"}
        assert store.failing_jobs("elsewhere") == frozenset()

    def test_a_flow_counts_what_ended_in_a_stretch_of_time(self, store: Store, clock: FakeClock) -> None:
        job = a_free_job()
        given_jobs(store, job)
        before, first = ended(store, a_run(), RunState.SUCCEEDED), START + MINUTE
        clock.advance(MINUTE)
        ended(store, a_run(available_at=START), RunState.SUCCEEDED)
        ended(store, a_trigger(job), RunState.FAILED)
        store.enqueue([a_run(skipped=Reason.PAUSED)])
        clock.advance(MINUTE)
        ended(store, a_run(), RunState.SUCCEEDED)

        flow = store.flow("default", first, first + MINUTE)

        assert flow == Flow(ended={RunState.FAILED: 1, RunState.SUCCEEDED: 1}, waits=(60.0,))
        assert store.flow("elsewhere", START, first) == Flow()
        assert store.run(before) is not None

    def test_waits_of_a_flow_are_a_sample_of_so_many(self, store: Store) -> None:
        for _ in range(3):
            ended(store, a_run(), RunState.SUCCEEDED)

        flow = store.flow("default", START - MINUTE, START + MINUTE, 2)

        assert flow == Flow(ended={RunState.SUCCEEDED: 3}, waits=(0.0, 0.0))

    def test_the_record_of_a_generation_is_kept_beside_it(self, store: Store) -> None:
        changes = {"jobs": {"nightly": {"action": "create", "fields": []}}, "left_out": 0}
        store.apply(a_change(a_free_job(), changes=changes))
        store.apply(a_change(seen_generation=1))

        record = store.record("default", 1)

        assert record is not None
        assert record.changes == changes
        assert record.generation == store.generations("default")[1]
        assert getattr(store.record("default", 2), "changes", 0) is None
        assert store.record("default", 3) is None
        assert store.record("elsewhere", 1) is None

    def test_what_generations_have_changed_is_forgotten_and_that_they_did_is_not(self, store: Store) -> None:
        changes = {"jobs": {"nightly": {"action": "create", "fields": []}}, "left_out": 0}
        store.apply(a_change(a_free_job(), changes=changes, summary={"created": ["nightly"]}))
        store.apply(a_change(seen_generation=1))

        elsewhere, first, second = (store.forget_changes(name) for name in ("elsewhere", "default", "default"))

        record = store.record("default", 1)
        assert (elsewhere, first, second) == (0, 1, 0)
        assert record is not None
        assert (record.changes, record.generation.summary) == (None, {"created": ["nightly"]})

    def test_a_job_stands_where_the_newest_files_that_told_have_it(self, store: Store) -> None:
        store.apply(a_change(a_free_job(), positions={"files": ["a.yaml"], "jobs": {"nightly": [0, 7]}}))
        told = {"files": ["a.yaml", "b.yaml"], "jobs": {"nightly": [1, 12]}}
        store.apply(a_change(writes=(), seen_generation=1, positions=told))
        store.apply(a_change(writes=(a_write(a_free_job("made"), origin=Origin.API),), seen_generation=2))

        assert newest_number(store) == 3
        assert store.place("default", "nightly") == Place(file="b.yaml", line=12, generation=2)
        assert store.place("default", "made") is None
        assert store.place("elsewhere", "nightly") is None

    def test_the_last_lines_of_a_log_come_oldest_first_and_those_before_them_too(self, store: Store) -> None:
        [made] = store.enqueue([a_run()])
        lines = [LogLine(made.id, attempt, seq, START, "stdout", "x") for attempt in (1, 2) for seq in range(3)]
        store.append_log(lines)

        assert store.last_lines(made.id, limit=2) == lines[4:]
        assert store.last_lines(made.id, before=(2, 1), limit=2) == lines[2:4]
        assert store.last_lines(made.id, attempt=1, limit=10) == lines[:3]
        assert store.last_lines(made.id + 1) == []

    def test_runs_are_listed_from_an_id_on(self, store: Store) -> None:
        ids = [created.id for created in store.enqueue([a_run()] * 3)]

        assert [run.id for run in store.runs(RunFilter(from_id=ids[1]))] == [ids[2], ids[1]]

    def test_unfinished_runs_are_listed_newest_first_whether_few_or_many(self, store: Store) -> None:
        few = [created.id for created in store.enqueue([a_run(available_at=START + MINUTE, queue="few")] * 3)]
        many = [created.id for created in store.enqueue([a_run(queue="many")] * 600)]

        scheduled = store.runs(RunFilter(states=(RunState.SCHEDULED,), before_id=few[2], limit=1))
        pending = store.runs(RunFilter(namespace="default", states=(RunState.PENDING,), limit=2))

        assert [run.id for run in scheduled] == [few[1]]
        assert [run.id for run in pending] == [many[-1], many[-2]]
        assert store.runs(RunFilter(states=(RunState.RUNNING,))) == []
        assert store.runs(RunFilter(states=(RunState.SCHEDULED,), queue="many")) == []


def ended(store: Store, run: NewRun, state: RunState) -> int:
    """A run that has ended so, at once."""
    [made] = store.enqueue([run])
    [claimed] = claim(store, a_node(store, lease=timedelta(days=1)))
    reason = Reason.ERROR if state is RunState.FAILED else None
    store.finish([a_transition(claimed, state, reason=reason)])
    return made.id
