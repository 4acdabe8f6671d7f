"""The contract's chapter on pauses: what they hold, how they end, and that each slot has one row all the same."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from jobsched.model.pause import Pause, PauseScope
from jobsched.model.run import Covers, Reason, RunState
from jobsched.model.state import Firing, Resumption
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_node,
    a_pause,
    a_run,
    a_skipped_slot,
    a_slot,
    a_trigger,
    an_edit,
    claim,
    given_jobs,
    given_removed,
    newest_number,
    runs,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

SOON = START + MINUTE


def a_resumption(store: Store, *ended: Pause, firings: Sequence[Firing] = (), **fields: Any) -> Resumption:
    """The end of these pauses, reckoned from what the store has now."""
    defaults: dict[str, Any] = {"namespace": NAMESPACE, "seen": tuple(store.pauses([NAMESPACE]))}
    return Resumption(**defaults | {"ended": ended, "firings": tuple(firings)} | fields)


def due(store: Store) -> list[str]:
    return [job.name for job in store.due([NAMESPACE], SOON, 100)]


class PauseContract:
    def test_a_pause_stands_until_it_is_resumed(self, store: Store, clock: FakeClock) -> None:
        pauses = [
            a_pause("all", by="ann@desk", reason="a move"),
            a_pause("job", "nightly", until=START + MINUTE),
            a_pause("queue", "mail"),
        ]

        store.pause(pauses)
        clock.advance(2 * MINUTE)

        assert store.pauses([NAMESPACE]) == pauses
        assert store.pauses(["elsewhere"]) == []
        assert store.actual(NAMESPACE).pauses == tuple(pauses)

    def test_pausing_again_keeps_when_it_began_and_replaces_the_rest(self, store: Store) -> None:
        store.pause([a_pause("job", "nightly", by="ann@desk", reason="a move", until=START + MINUTE)])
        again = {"by": "bob@desk", "reason": None, "until": START + 5 * MINUTE}

        store.pause([a_pause("job", "nightly", since=START + timedelta(seconds=1), **again), a_pause("job", "other")])

        assert store.pauses([NAMESPACE]) == [a_pause("job", "nightly", **again), a_pause("job", "other")]

    def test_pausing_again_what_is_over_begins_anew(self, store: Store) -> None:
        store.pause([a_pause("job", "nightly", until=START + MINUTE)])

        store.pause([a_pause("job", "nightly", since=START + MINUTE)])

        assert store.pauses([NAMESPACE]) == [a_pause("job", "nightly", since=START + MINUTE)]

    def test_text_that_no_database_stores_is_escaped(self, store: Store) -> None:
        store.pause([a_pause("queue", "ma\0il", by="ann\ud800", reason="\0")])

        [pause] = store.pauses([NAMESPACE])
        assert (pause.name, pause.by, pause.reason) == ("ma\\x00il", "ann\\ud800", "\\x00")

    def test_a_paused_job_is_not_due(self, store: Store) -> None:
        given_jobs(store, a_free_job("still"), a_free_job("moving"), now=START - MINUTE)

        store.pause([a_pause("job", "still")])

        assert due(store) == ["moving"]

    def test_a_pause_of_all_keeps_every_job_of_its_namespace_from_being_due(self, store: Store) -> None:
        given_jobs(store, a_free_job("one"), a_free_job("two"))
        given_jobs(store, a_free_job("three", namespace="elsewhere"))

        store.pause([a_pause("all")])

        assert [job.name for job in store.due([NAMESPACE, "elsewhere"], SOON, 100)] == ["three"]
        assert (store.next_due([NAMESPACE]), store.next_due(["elsewhere"])) == (None, SOON)

    def test_the_next_due_slot_is_of_a_job_that_is_not_paused(self, store: Store) -> None:
        given_jobs(store, a_free_job("early"))
        given_jobs(store, a_free_job("late"), now=START + MINUTE)

        store.pause([a_pause("job", "early")])

        assert store.next_due([NAMESPACE]) == START + 2 * MINUTE

    def test_a_pause_of_a_queue_holds_no_slot(self, store: Store) -> None:
        given_jobs(store, a_free_job("mailing", queue="mail"))

        store.pause([a_pause("queue", "mail"), a_pause("queue", "mailing")])

        assert due(store) == ["mailing"]

    def test_a_pause_that_is_over_holds_until_somebody_ends_it(self, store: Store, clock: FakeClock) -> None:
        given_jobs(store, a_free_job())
        pause = a_pause("job", "nightly", until=START + MINUTE)
        store.pause([pause])
        clock.advance(2 * MINUTE)
        over = due(store)

        ended = store.resume(a_resumption(store, pause))

        assert (over, ended, due(store)) == ([], True, ["nightly"])

    def test_resuming_ends_pauses_and_covers_slots_at_once(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        nightly, mail = a_pause("job", "nightly"), a_pause("queue", "mail")
        store.pause([nightly, mail])
        covers = Covers(START + MINUTE, START + 3 * MINUTE, 3)
        row = a_skipped_slot(job, START + 3 * MINUTE, Reason.PAUSED, covers=covers)

        resumed = store.resume(a_resumption(store, nightly, firings=[a_firing(stored, row)]))

        assert resumed
        assert store.pauses([NAMESPACE]) == [mail]
        assert [(run.state, run.reason, run.covers) for run in runs(store)] == [
            (RunState.SKIPPED, Reason.PAUSED, covers)
        ]
        assert store.jobs(NAMESPACE)[0].cursor == START + 3 * MINUTE

    def test_resuming_changes_nothing_if_a_cursor_has_moved(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job("moved"), a_free_job("still"))
        pause = a_pause("all")
        store.fire([a_firing(stored["moved"], a_slot(stored["moved"].job, START + MINUTE))])
        store.pause([pause])
        firings = [a_firing(one, a_skipped_slot(one.job, START + 2 * MINUTE, Reason.PAUSED)) for one in stored.values()]

        assert not store.resume(a_resumption(store, pause, firings=firings))
        assert store.pauses([NAMESPACE]) == [pause]
        assert [run.job for run in runs(store)] == ["moved"]
        assert [job.cursor for job in store.jobs(NAMESPACE)] == [START + MINUTE, START]

    def test_resuming_changes_nothing_if_a_schedule_was_edited(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        pause = a_pause("job", "nightly")
        store.pause([pause])
        edit = an_edit(stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=stored.cursor)
        store.apply(a_change(edit, seen=1))

        firing = a_firing(stored, a_skipped_slot(stored.job, START + MINUTE, Reason.PAUSED))

        assert not store.resume(a_resumption(store, pause, firings=[firing]))
        assert (store.pauses([NAMESPACE]), runs(store)) == ([pause], [])

    def test_resuming_changes_nothing_if_another_pause_has_ended_since(self, store: Store) -> None:
        given_jobs(store, a_free_job())
        whole, own = a_pause("all"), a_pause("job", "nightly")
        store.pause([whole, own])
        leaves_it_to_all, leaves_it_to_own = a_resumption(store, own), a_resumption(store, whole)

        assert store.resume(leaves_it_to_all)
        assert not store.resume(leaves_it_to_own)
        assert store.pauses([NAMESPACE]) == [whole]

    def test_of_two_pauses_of_a_job_that_end_at_once_one_sees_the_other_gone(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        given_jobs(store, a_free_job())
        whole, own = a_pause("all"), a_pause("job", "nightly")
        store.pause([whole, own])
        ends = [(open_again(), a_resumption(store, pause)) for pause in (whole, own)]

        ended = in_parallel(ends, lambda end: end[0].resume(end[1]))

        assert sorted(ended) == [False, True]
        assert len(store.pauses([NAMESPACE])) == 1

    def test_resuming_changes_nothing_if_the_pause_was_put_again(self, store: Store) -> None:
        pause = a_pause("all", until=START + MINUTE)
        store.pause([pause])
        late = a_resumption(store, pause)
        longer = a_pause("all", until=START + 2 * MINUTE)
        store.pause([longer])

        assert not store.resume(late)
        assert store.pauses([NAMESPACE]) == [longer]

    def test_a_new_pause_does_not_keep_another_from_ending(self, store: Store) -> None:
        pause, later = a_pause("all"), a_pause("job", "nightly")
        store.pause([pause])
        resumption = a_resumption(store, pause)
        store.pause([later])

        assert store.resume(resumption)
        assert store.pauses([NAMESPACE]) == [later]

    def test_runs_of_a_paused_queue_are_not_claimed(self, store: Store) -> None:
        node = a_node(store)
        store.enqueue([a_run(queue=queue) for queue in ("mail", "default", "print", "")])

        claims = claim(store, node, paused=[a_pause("queue", "mail"), a_pause("job", "default")])

        assert [one.queue for one in claims] == ["default", "print", ""]
        assert [one.queue for one in claim(store, node)] == ["mail"]

    def test_a_node_of_some_queues_leaves_out_those_that_are_paused(self, store: Store) -> None:
        node = a_node(store)
        store.enqueue([a_run(queue=queue) for queue in ("mail", "default", "print")])

        claims = claim(store, node, queues=["mail", "print"], paused=[a_pause("queue", "mail")])

        assert [one.queue for one in claims] == ["print"]

    def test_a_paused_queue_is_one_of_its_namespace_alone(self, store: Store) -> None:
        node = a_node(store)
        store.enqueue([a_run(queue="mail"), a_run(queue="mail", namespace="elsewhere"), a_run(queue="print")])
        both = {NAMESPACE: None, "elsewhere": None}

        mail = claim(store, node, generations=both, paused=[a_pause("queue", "mail")])
        rest = claim(store, node, generations=both, paused=[a_pause("all")])

        assert [(one.namespace, one.queue) for one in mail] == [("elsewhere", "mail"), (NAMESPACE, "print")]
        assert rest == []

    def test_under_a_pause_of_all_nothing_of_the_namespace_is_claimed(self, store: Store) -> None:
        node = a_node(store)
        store.enqueue([a_run(), a_run(queue="mail")])

        assert claim(store, node, paused=[a_pause("all")]) == []
        assert claim(store, node, queues=["mail"], paused=[a_pause("all")]) == []

    def test_a_sync_leaves_pauses_alone_also_of_jobs_that_it_removes(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        pause = a_pause("job", "nightly")
        store.pause([pause])

        given_removed(store, "nightly")
        without = store.pauses([NAMESPACE])
        given_jobs(store, job)

        assert (without, store.pauses([NAMESPACE]), due(store)) == ([pause], [pause], [])

    def test_a_pause_of_a_removed_job_is_kept_as_long_as_its_history(self, store: Store, clock: FakeClock) -> None:
        job = a_free_job()
        given_jobs(store, job, a_free_job("never-ran"), a_free_job("declared"))
        [made] = store.enqueue([a_trigger(job)])
        store.pause([a_pause("job", name) for name in ("nightly", "never-ran", "declared")])
        store.pause([a_pause("all"), a_pause("queue", "mail")])
        removed = ["nightly", "never-ran"]
        store.apply(a_change(removals=removed, seen=newest_number(store)))

        store.tidy()
        soon = len(store.pauses([NAMESPACE]))
        clock.advance(timedelta(days=31))
        store.tidy()
        later = [pause.name for pause in store.pauses([NAMESPACE]) if pause.scope is PauseScope.JOB]
        store.delete([made.id])
        store.tidy()

        assert (soon, later) == (5, ["declared", "nightly"])
        assert [pause.target for pause in store.pauses([NAMESPACE])] == [
            (PauseScope.ALL, ""),
            (PauseScope.JOB, "declared"),
            (PauseScope.QUEUE, "mail"),
        ]
