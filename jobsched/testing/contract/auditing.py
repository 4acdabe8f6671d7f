"""The contract's chapter on the audit: an act and its row are one, what was refused has none, and all go in time."""

from datetime import timedelta
from typing import Any

import pytest

from jobsched.errors import SyncConflictError, UniqueKeyError
from jobsched.model.audit import AUDIT_KEPT, Action, AuditRow, Via
from jobsched.model.backfill import Refill
from jobsched.model.run import OnConflict
from jobsched.model.state import Resumption
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_free_job,
    a_pause,
    a_run,
    a_slot,
    a_trigger,
    an_act,
    audited,
    given_jobs,
    newest_number,
)
from jobsched.testing.clock import FakeClock


def told(row: AuditRow) -> tuple[Any, ...]:
    return row.action, row.job, row.queue, row.run, row.count


class AuditContract:
    def test_an_act_is_recorded_with_who_when_and_by_which_way(self, store: Store, clock: FakeClock) -> None:
        clock.advance(MINUTE)

        [made] = store.enqueue([a_run(queue="mail")], act=an_act(Action.ENQUEUE, details={"handler": "mail.send"}))

        assert audited(store) == [
            AuditRow(
                id=1,
                namespace=NAMESPACE,
                at=START + MINUTE,
                by="ann@desk",
                via=Via.CLI,
                action=Action.ENQUEUE,
                job=None,
                queue="mail",
                run=made.id,
                count=1,
                details={"handler": "mail.send"},
            )
        ]

    def test_what_is_done_without_an_act_is_not(self, store: Store) -> None:
        [made] = store.enqueue([a_run()])
        store.cancel([made.id])

        assert audited(store) == []

    def test_what_was_done_to_a_run_names_it_with_its_job(self, store: Store) -> None:
        job = given_jobs(store, a_free_job(queue="q"))["nightly"].job

        [made] = store.enqueue([a_trigger(job)], act=an_act(Action.TRIGGER))
        store.reschedule([made.id], START + MINUTE, act=an_act(Action.RESCHEDULE))
        store.cancel([made.id], act=an_act(Action.CANCEL))
        store.requeue([made.id], act=an_act(Action.REQUEUE))
        store.cancel([made.id])
        store.delete([made.id], act=an_act(Action.DELETE))

        assert [told(row) for row in audited(store)] == [
            (action, "nightly", "q", made.id, 1)
            for action in (Action.DELETE, Action.REQUEUE, Action.CANCEL, Action.RESCHEDULE, Action.TRIGGER)
        ]

    def test_many_runs_are_one_row_with_their_count_and_the_refused_do_not_count(self, store: Store) -> None:
        job = given_jobs(store, a_free_job())["nightly"].job
        of_job = [made.id for made in store.enqueue([a_trigger(job)] * 600)]
        [other] = store.enqueue([a_run(queue="other")])
        store.cancel(of_job[:10])

        store.cancel([*of_job, 9999], act=an_act(Action.CANCEL))
        store.cancel(of_job, act=an_act(Action.CANCEL))
        store.requeue([*of_job[:2], other.id], act=an_act(Action.REQUEUE))
        store.cancel([of_job[0], other.id], act=an_act(Action.CANCEL))

        assert [told(row) for row in audited(store)] == [
            (Action.CANCEL, None, None, None, 2),
            (Action.REQUEUE, "nightly", "default", None, 2),
            (Action.CANCEL, "nightly", "default", None, 590),
        ]

    def test_parts_of_one_act_add_up_in_one_row(self, store: Store) -> None:
        job = given_jobs(store, a_free_job())["nightly"].job
        first, second, third = store.enqueue([a_trigger(job), a_trigger(job), a_run()])
        act = an_act(Action.CANCEL)

        store.cancel([first.id], act=act)
        store.cancel([second.id], act=act)
        before = [told(row) for row in audited(store)]
        store.cancel([third.id], act=act)

        assert before == [(Action.CANCEL, "nightly", "default", None, 2)]
        assert [told(row) for row in audited(store)] == [(Action.CANCEL, None, "default", None, 3)]

    def test_pauses_and_their_ends_have_a_row_each(self, store: Store) -> None:
        pauses = [a_pause("job", "nightly"), a_pause("queue", "ma\0il")]
        store.pause(
            pauses,
            acts=[
                an_act(Action.PAUSE, job="nightly", details={"reason": "a\0move"}),
                an_act(Action.PAUSE, queue="ma\0il"),
            ],
        )
        seen = tuple(store.pauses([NAMESPACE]))
        end = Resumption(namespace=NAMESPACE, seen=seen, ended=seen[:1], firings=())

        ended = store.resume(end, acts=[an_act(Action.RESUME, job="nightly")])
        lost = store.resume(end, acts=[an_act(Action.RESUME, job="nightly")])

        assert (ended, lost) == (True, False)
        assert [told(row) for row in audited(store)] == [
            (Action.RESUME, "nightly", None, None, 1),
            (Action.PAUSE, None, "ma\\x00il", None, 1),
            (Action.PAUSE, "nightly", None, None, 1),
        ]

    def test_a_job_that_is_made_at_run_time_names_its_generation(self, store: Store) -> None:
        store.apply(a_change(a_free_job()), act=an_act(Action.CREATE, job="nightly"))

        [row] = audited(store)
        assert (told(row), row.details) == ((Action.CREATE, "nightly", None, None, 1), {"generation": 1})

    def test_slots_that_are_backfilled_are_counted(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        clock.advance(timedelta(hours=1))
        act = an_act(Action.BACKFILL)

        for minute in (1, 2):
            refill = Refill(
                namespace=NAMESPACE,
                job="nightly",
                schedule_revision=stored.schedule_revision,
                runs=(a_slot(stored.job, START + minute * MINUTE),),
                cuts=(),
            )
            store.backfill(refill, act=act)

        assert [told(row) for row in audited(store)] == [(Action.BACKFILL, "nightly", None, None, 2)]

    def test_what_is_rolled_back_leaves_no_row(self, store: Store) -> None:
        given_jobs(store, a_free_job())
        store.enqueue([a_run(unique_key="k")])

        with pytest.raises(SyncConflictError):
            store.apply(a_change(a_free_job(), seen=newest_number(store)), act=an_act(Action.CREATE, job="nightly"))
        with pytest.raises(UniqueKeyError):
            store.enqueue([a_run(unique_key="k", on_conflict=OnConflict.ERROR)], act=an_act(Action.ENQUEUE))
        existing = store.enqueue([a_run(unique_key="k")], act=an_act(Action.ENQUEUE))

        assert [made.existing for made in existing] == [True]
        assert audited(store) == []

    def test_rows_are_chosen_by_namespace_time_job_action_and_a_part_of_who(
        self, store: Store, clock: FakeClock
    ) -> None:
        pauses = [
            ("a", {"by": "Ann@desk"}),
            ("b", {"by": "100%@ci", "via": Via.HTTP}),
            ("c", {"namespace": "elsewhere"}),
        ]
        for name, fields in pauses:
            store.pause([a_pause("job", name)], acts=[an_act(Action.PAUSE, job=name, **fields)])
            clock.advance(MINUTE)
        [first, second] = [row.id for row in audited(store)][::-1]

        def found(**wanted: Any) -> list[str | None]:
            return [row.job for row in audited(store, **wanted)]

        assert found() == ["b", "a"]
        assert found(namespace="elsewhere") == ["c"]
        assert found(since=START + MINUTE) == ["b"]
        assert found(job="a") == ["a"]
        assert found(by="ann") == ["a"]
        assert found(by="%") == ["b"]
        assert found(by="x\0") == found(action=Action.RESUME) == []
        assert (found(limit=1), found(before_id=second), found(before_id=first)) == (["b"], ["a"], [])

    def test_rows_go_once_they_are_old(self, store: Store, clock: FakeClock) -> None:
        store.pause([a_pause("job", "old")], acts=[an_act(Action.PAUSE, job="old") for _ in range(600)])
        clock.advance(AUDIT_KEPT)
        store.pause([a_pause("job", "new")], acts=[an_act(Action.PAUSE, job="new")])

        store.tidy()
        kept = len(audited(store))
        clock.advance(MINUTE)
        store.tidy()

        assert kept == 601
        assert [row.job for row in audited(store)] == ["new"]
