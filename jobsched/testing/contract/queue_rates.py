"""The contract's chapter on rates of queues: evenly spaced over all nodes, and never in the way of others."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.run import Answer, Lack, Reason, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_firing,
    a_limited_job,
    a_node,
    a_pause,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    claim,
    given_back,
    given_jobs,
    runs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.queue_limits import given_limits
from jobsched.testing.contract.threads import in_parallel

SCHEDULED, PENDING, BLOCKED, RUNNING = RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING
SUCCEEDED, SKIPPED = RunState.SUCCEEDED, RunState.SKIPPED

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
EACH_SECOND, EACH_MINUTE = Rate(60, MINUTE), Rate(1, MINUTE)
#: A rate lets a run in so much before its second has come.
EARLY = timedelta(milliseconds=100)


class QueueRateContract:
    def test_a_rate_lets_runs_in_one_by_one(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        node = a_node(store, lease=DAY)
        made = store.enqueue([a_run(queue="mail")] * 4)

        at_once = started(store, node)
        clock.advance(SECOND - EARLY)
        in_time = started(store, node)
        clock.advance(SECOND - timedelta(microseconds=1))
        too_early = started(store, node)
        clock.advance(timedelta(microseconds=1))

        assert (at_once, in_time, too_early) == ([made[0].id], [made[1].id], [])
        assert started(store, node) == [made[2].id]

    @pytest.mark.parametrize("rate", [EACH_SECOND, Rate(7, timedelta(seconds=10)), Rate(50, SECOND), Rate(3, MINUTE)])
    def test_no_window_has_more_starts_than_the_rate_and_its_burst(
        self, store: Store, clock: FakeClock, rate: Rate
    ) -> None:
        given_rate(store, rate)
        node = a_node(store, lease=DAY)
        store.enqueue([a_run(queue="mail")] * 120)

        # Busy and idle by turns, at odd instants.
        begun = list[datetime]()
        for steps, pause in ((40, rate.interval / 3), (1, rate.period * 2), (40, rate.interval * 0.9), (20, EARLY / 3)):
            for _ in range(steps):
                begun += [clock.now()] * len(started(store, node))
                clock.advance(pause)

        windows = [sum(at <= one < at + rate.period for one in begun) for at in begun]
        assert max(windows) <= rate.runs + rate.burst
        assert begun.count(max(begun, key=begun.count)) <= rate.burst

    def test_who_looks_a_little_late_loses_nothing_of_the_rate(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        node = a_node(store, lease=DAY)
        store.enqueue([a_run(queue="mail")] * 70)
        count = 0

        for _ in range(30):
            for late in (0.08, 0.01):
                clock.advance(SECOND + timedelta(seconds=late))
                count += len(started(store, node))
                clock.advance(timedelta(seconds=-late))

        assert count == 1 + 60

    def test_nothing_is_saved_up_while_nothing_waits(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        clock.advance(MINUTE)

        made = store.enqueue([a_run(queue="mail")] * 5)

        assert [one.state for one in made] == [PENDING, *[BLOCKED] * 4]

    def test_a_high_rate_lets_several_in_at_once_and_no_more_than_its_burst(
        self, store: Store, clock: FakeClock
    ) -> None:
        given_rate(store, Rate(100, SECOND))
        store.enqueue([a_run(queue="mail")] * 40)
        first = started(store, node := a_node(store, lease=DAY))
        clock.advance(EARLY / 2)

        assert (len(first), len(started(store, node))) == (11, 5)

    def test_runs_are_let_in_by_priority_then_instant_then_id(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        node = a_node(store, lease=DAY)
        store.enqueue([a_run(queue="mail")])
        waiting = store.enqueue(
            [
                a_run(queue="mail", priority=1, available_at=START - 9 * MINUTE, key="a"),
                a_run(queue="mail", key="b"),
                a_run(queue="mail"),
                a_run(queue="mail", available_at=START - MINUTE, key="a"),
                a_run(queue="mail", priority=-1, key="z"),
            ]
        )
        started(store, node)

        order = list[int]()
        for _ in waiting:
            clock.advance(SECOND)
            order += started(store, node)

        assert order == [waiting[place].id for place in (4, 3, 1, 2, 0)]

    def test_runs_that_wait_for_a_rate_are_in_nobodys_way(self, store: Store) -> None:
        given_limits(store, {"mail": QueueLimits(rate=EACH_MINUTE), "video": QueueLimits(rate=EACH_SECOND)})
        store.enqueue([a_run(queue="mail", priority=-1, key="k")] * 600)

        made = store.enqueue([a_run(queue="video"), a_run(), a_run(queue="default", key="other")])

        assert [one.state for one in made] == [PENDING] * 3

    def test_a_rate_is_one_over_all_stores_that_work_at_once(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        given_rate(store, Rate(100, SECOND))
        begun = list[int]()

        def enqueue_and_work(mine: Store) -> None:
            node = a_node(mine)
            for _ in range(5):
                mine.enqueue([a_run(queue="mail"), a_run(queue="mail", key="k")])
                begun.extend(started(mine, node))

        in_parallel([open_again() for _ in range(6)], enqueue_and_work)

        # The clock stands still: no more than the burst may start, and those of the key one by one.
        assert 0 < len(begun) == len(set(begun)) <= 11
        assert len(runs(store)) == 60

    # -- beside keys and limits

    def test_a_run_needs_the_rate_and_a_place_of_its_queue_and_one_of_its_key(
        self, store: Store, clock: FakeClock
    ) -> None:
        given_limits(store, {"mail": QueueLimits(limit=2, rate=Rate(100, SECOND))})
        first, second, *_ = store.enqueue([a_run(queue="mail", key="k"), a_run(queue="mail", key="k")] * 2)

        node = a_node(store, lease=DAY)
        held = claim(store, node)
        clock.advance(MINUTE)
        beside = store.enqueue([a_run(queue="mail"), a_run(queue="mail")])

        assert [one.id for one in held] == [first.id]
        assert [one.state for one in beside] == [PENDING, BLOCKED]
        store.finish([a_transition(one) for one in held])
        store.admit([NAMESPACE], ["k"], ["mail"])
        assert the_run(store, second.id).state == PENDING

    def test_a_full_limit_uses_up_nothing_of_the_rate(self, store: Store, clock: FakeClock) -> None:
        given_limits(store, {"mail": QueueLimits(limit=1, rate=EACH_SECOND)})
        store.enqueue([a_run(queue="mail")] * 2)
        [held] = claim(store, a_node(store, lease=DAY))
        clock.advance(SECOND)

        full = store.admit([NAMESPACE], [], ["mail"])
        store.finish([a_transition(held)])

        assert (full, store.admit([NAMESPACE], [], ["mail"])) == (0, 1)

    def test_a_full_key_uses_up_nothing_of_the_rate(self, store: Store) -> None:
        given_rate(store, EACH_SECOND)
        store.enqueue([a_run(key="k"), a_run(queue="mail", key="k")])
        store.admit([NAMESPACE])

        assert store.enqueue([a_run(queue="mail")])[0].state is PENDING

    # -- what else a run may go through

    def test_a_slot_waits_for_the_rate_and_overlaps_while_it_waits(self, store: Store) -> None:
        given_rate(store, EACH_MINUTE)
        store.enqueue([a_run(queue="mail")])
        job = a_limited_job(queue="mail")
        stored = given_jobs(store, job)["nightly"]

        made = store.fire([a_firing(stored, *(a_slot(job, START + number * MINUTE) for number in (1, 2)))])

        assert [(one.state, one.reason) for one in made] == [(BLOCKED, None), (SKIPPED, Reason.OVERLAP)]

    def test_a_run_whose_time_has_come_waits_for_the_rate(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_MINUTE)
        store.enqueue([a_run(queue="mail", available_at=START + SECOND)] * 2)
        clock.advance(SECOND)

        store.promote([NAMESPACE], 10)

        assert states(store) == [PENDING, BLOCKED]

    def test_a_retry_waits_for_the_rate_and_counts(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_MINUTE)
        first, _ = store.enqueue([a_run(queue="mail")] * 2)
        node = a_node(store, lease=DAY)
        [held] = claim(store, node)
        store.finish([a_retry(held, START + SECOND)])
        clock.advance(SECOND)
        store.promote([NAMESPACE], 10)

        assert states(store) == [BLOCKED, BLOCKED]
        clock.advance(MINUTE)
        assert store.admit([NAMESPACE]) == 1
        clock.advance(SECOND)
        assert started(store, node) != [first.id]

    def test_what_is_requeued_waits_for_the_rate_and_counts(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_MINUTE)
        [made] = store.enqueue([a_run(queue="mail")])
        [held] = claim(store, a_node(store, lease=DAY))
        store.finish([a_transition(held, RunState.FAILED, reason=Reason.ERROR)])

        assert store.requeue([made.id]) == [Answer(made.id, BLOCKED)]
        clock.advance(MINUTE)
        assert store.admit([NAMESPACE]) == 1
        assert store.enqueue([a_run(queue="mail")])[0].state is BLOCKED

    def test_what_is_given_back_goes_on_at_once_and_is_not_in_the_way_of_others(
        self, store: Store, clock: FakeClock
    ) -> None:
        given_rate(store, EACH_SECOND)
        store.enqueue([a_run(queue="mail")] * 3)
        [held] = claim(store, a_node(store, lease=DAY))
        store.finish([given_back(held)])
        clock.advance(SECOND)

        assert store.admit([NAMESPACE]) == 1
        assert states(store) == [PENDING, PENDING, BLOCKED]

    def test_while_nobody_claims_no_more_than_a_burst_is_let_in(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        store.enqueue([a_run(queue="mail")] * 5)
        node, pause = a_node(store, lease=DAY), a_pause("queue", "mail")
        for _ in range(10):
            clock.advance(MINUTE)
            store.admit([NAMESPACE])

        assert claim(store, node, paused=[pause]) == []
        assert states(store) == [PENDING, *[BLOCKED] * 4]
        resumed = started(store, node) + started(store, node)
        assert len(resumed) == 2

    # -- edits

    def test_a_rate_of_a_queue_at_work_holds_at_once(self, store: Store) -> None:
        store.enqueue([a_run(queue="mail")] * 5)

        given_rate(store, EACH_SECOND)

        assert states(store) == [PENDING, *[BLOCKED] * 4]

    @pytest.mark.parametrize(
        ("before", "after", "waits"),
        [
            (EACH_MINUTE, EACH_SECOND, SECOND - EARLY),
            (EACH_SECOND, EACH_MINUTE, MINUTE - EARLY),
            (Rate(1, DAY), EACH_SECOND, SECOND - EARLY),
        ],
    )
    def test_an_edit_of_the_rate_holds_for_the_next_start(
        self, store: Store, before: Rate, after: Rate, waits: timedelta
    ) -> None:
        given_rate(store, before)
        store.enqueue([a_run(queue="mail")] * 2)
        claim(store, a_node(store))

        given_rate(store, after)

        assert store.queue_limits(NAMESPACE) == {"mail": QueueLimits(rate=after)}
        assert store.next_places([NAMESPACE]) == {"mail": START + waits}

    def test_a_rate_that_is_removed_lets_all_in(self, store: Store) -> None:
        given_rate(store, EACH_MINUTE)
        store.enqueue([a_run(queue="mail")] * 4)

        given_limits(store, {})

        assert states(store) == [PENDING] * 4

    def test_a_clock_that_is_set_back_holds_nobody_up(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        store.enqueue([a_run(queue="mail")] * 2)
        node = a_node(store, lease=DAY)
        started(store, node)

        clock.jump(START - 60 * MINUTE)
        clock.advance(2 * SECOND)

        assert len(started(store, node)) == 1

    # -- who looks when

    def test_the_next_place_is_told_while_runs_wait_for_it(self, store: Store, clock: FakeClock) -> None:
        given_limits(store, {"mail": QueueLimits(rate=EACH_SECOND), "sms": QueueLimits(rate=EACH_MINUTE), "video": 1})
        nothing = store.next_places([NAMESPACE])
        store.enqueue([a_run(queue=queue) for queue in ("mail", "mail", "sms", "video", "video")])

        until_claimed = store.next_places([NAMESPACE])
        claim(store, a_node(store, lease=DAY))

        assert (nothing, until_claimed) == ({}, {"mail": None})
        assert store.next_places([NAMESPACE]) == {"mail": START + SECOND - EARLY}
        assert store.next_places(["elsewhere"]) == {}
        clock.advance(MINUTE)
        assert store.next_places([NAMESPACE, "elsewhere"])["mail"] == START + SECOND - EARLY

    def test_a_sweep_lets_in_what_nobody_looked_after(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        store.enqueue([a_run(queue="mail")] * 2)
        claim(store, a_node(store, lease=DAY))
        clock.advance(MINUTE)

        assert (store.admit([NAMESPACE]), store.admit([NAMESPACE])) == (1, 0)

    def test_a_run_says_that_it_waits_for_the_rate_and_until_when(self, store: Store, clock: FakeClock) -> None:
        given_rate(store, EACH_SECOND)
        made = store.enqueue([a_run(queue="mail", priority=-1)])
        made += store.enqueue(
            [*[a_run(queue="mail")] * 2, a_run(queue="mail", key="k"), a_run(queue="mail", priority=-1)]
        )

        unclaimed = [store.lacks(one.id) for one in made]
        claim(store, a_node(store, lease=DAY))
        clock.advance(timedelta(milliseconds=400))

        # It lets nobody in as long as the first has no thread.
        assert unclaimed[:2] == [[], [Lack("rate", "mail", 60, 1, MINUTE, None)]]
        expected = [Lack("rate", "mail", 60, n, MINUTE, START + n * SECOND + SECOND - EARLY) for n in range(4)]
        assert [store.lacks(one.id) for one in (made[4], *made[1:4])] == [[lack] for lack in expected]
        clock.advance(SECOND)
        assert store.lacks(made[4].id) == []


def given_rate(store: Store, rate: Rate) -> None:
    """The queue mail has this rate, and no other limit."""
    given_limits(store, {"mail": QueueLimits(rate=rate)})


def started(store: Store, node: int) -> list[int]:
    """The runs that can start now, as a node at work would find them; they end at once."""
    store.admit([NAMESPACE], [], ["mail"])
    begun = list[int]()
    while claimed := claim(store, node):
        begun += [one.id for one in claimed]
        store.finish([a_transition(one) for one in claimed])
        store.admit([NAMESPACE], sorted({one.key for one in claimed if one.key}), ["mail"])
    return begun
