from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.job import Retries
from jobsched.model.run import Claim, OwnedRun, Reason, RunState, Source, Transition
from jobsched.schedule.retry import (
    LONGEST_MESSAGE,
    LONGEST_TRACEBACK,
    after_cancel,
    after_failure,
    after_loss,
    after_snooze,
    after_success,
    backoff,
    given_back,
    given_back_owned,
    heals,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
STEADY = Retries(max=3, jitter=0)
ERROR = {"type": "ValueError", "message": "no such customer"}


def a_claim(**fields: Any) -> Claim:
    defaults: dict[str, Any] = {
        "id": 7,
        "claim_no": 3,
        "node": 2,
        "namespace": "default",
        "job": "nightly",
        "job_revision": 1,
        "handler": "jobs:work",
        "source": Source.SLOT,
        "queue": "default",
        "attempt": 1,
        "max_attempts": 1,
        "losses": 0,
        "scheduled_at": NOW,
        "available_at": NOW,
        "started_at": NOW,
        "generation": 1,
        "payload": {},
        "key": None,
    }
    return Claim(**(defaults | fields))


def an_owned(**fields: Any) -> OwnedRun:
    defaults: dict[str, Any] = {
        "id": 7,
        "claim_no": 3,
        "node": 2,
        "namespace": "default",
        "job": "nightly",
        "attempt": 1,
        "max_attempts": 1,
        "losses": 0,
    }
    return OwnedRun(**(defaults | fields))


# -- backoff


@pytest.mark.parametrize(
    ("retries", "seconds"),
    [
        (Retries(jitter=0), [10, 20, 40, 80, 160, 320, 600, 600]),
        (Retries(jitter=0, factor=3, delay=SECOND), [1, 3, 9, 27, 81, 243, 600, 600]),
        (Retries(jitter=0, factor=1), [10] * 8),
        (Retries(jitter=0, backoff="linear", max_delay=MINUTE), [10, 20, 30, 40, 50, 60, 60, 60]),
        (Retries(jitter=0, backoff="constant"), [10] * 8),
        (Retries(jitter=0, backoff="constant", delay=2 * MINUTE, max_delay=MINUTE), [60] * 8),
        (Retries(jitter=0, delay=timedelta(0)), [0] * 8),
    ],
)
def test_backoff_is_as_declared(retries: Retries, seconds: list[int]) -> None:
    assert [backoff(retries, attempt, run_id=1) for attempt in range(1, 9)] == [
        timedelta(seconds=second) for second in seconds
    ]


@pytest.mark.parametrize(
    ("retry_on", "no_retry_on", "healed"),
    [
        ((), (), True),
        (("OSError",), (), True),
        (("ValueError",), (), False),
        (("ValueError", "builtins.ConnectionError"), (), True),
        ((), ("OSError",), False),
        ((), ("ValueError",), True),
        (("OSError",), ("ConnectionError",), False),
    ],
)
def test_an_error_is_retried_as_the_names_of_its_classes_say(
    retry_on: tuple[str, ...], no_retry_on: tuple[str, ...], *, healed: bool
) -> None:
    names = {"ConnectionError", "builtins.ConnectionError", "OSError", "builtins.OSError"}

    assert heals(Retries(retry_on=retry_on, no_retry_on=no_retry_on), names) is healed


@given(
    st.sampled_from(["exponential", "linear", "constant"]),
    st.floats(1, 100),
    st.floats(0, 1),
    st.integers(1, 10**9),
    st.integers(1, 2**63),
)
def test_backoff_never_exceeds_max_delay_nor_overflows(
    kind: str, factor: float, jitter: float, attempt: int, run_id: int
) -> None:
    retries = Retries(backoff=kind, factor=factor, jitter=jitter)  # type: ignore[arg-type]

    assert timedelta(0) <= backoff(retries, attempt, run_id=run_id) <= retries.max_delay


def test_jitter_is_a_share_of_the_delay_to_both_sides() -> None:
    retries = Retries(jitter=0.1, delay=100 * SECOND)

    delays = [backoff(retries, 1, run_id=run_id) for run_id in range(1000)]

    assert 90 * SECOND <= min(delays) < 91 * SECOND
    assert 109 * SECOND < max(delays) <= 110 * SECOND


def test_jitter_spreads_runs_that_have_reached_max_delay_too() -> None:
    retries = Retries(jitter=0.1)

    delays = {backoff(retries, 50, run_id=run_id) for run_id in range(1000)}

    assert len(delays) > 990
    assert min(delays) >= 9 * MINUTE


def test_jitter_is_the_same_for_a_run_and_attempt() -> None:
    retries = Retries(jitter=0.5)

    assert backoff(retries, 2, run_id=9) == backoff(retries, 2, run_id=9)
    assert backoff(retries, 2, run_id=9) != backoff(retries, 2, run_id=10)


# -- success


def test_success_carries_the_result_and_the_fence() -> None:
    assert after_success(a_claim(attempt=2, losses=1), {"sent": 3}) == Transition(
        id=7, claim_no=3, node=2, state=RunState.SUCCEEDED, attempt=2, losses=1, result={"sent": 3}
    )


# -- failure


def test_a_failure_with_attempts_left_is_scheduled_after_the_backoff() -> None:
    found = after_failure(a_claim(attempt=2, max_attempts=4), STEADY, ERROR, Reason.ERROR, NOW)

    assert found == Transition(
        id=7,
        claim_no=3,
        node=2,
        state=RunState.SCHEDULED,
        attempt=2,
        reason=Reason.ERROR,
        available_at=NOW + 20 * SECOND,
        error={
            "attempt": 2,
            "at": "2026-01-01T00:00:00Z",
            "reason": "error",
            "type": "ValueError",
            "message": "no such customer",
        },
    )


def test_the_last_failure_is_for_good() -> None:
    found = after_failure(a_claim(attempt=4, max_attempts=4), STEADY, ERROR, Reason.TIMEOUT, NOW)

    assert (found.state, found.reason, found.available_at) == (RunState.FAILED, Reason.TIMEOUT, None)
    assert found.error is not None
    assert found.error["reason"] == "timeout"


def test_an_error_that_no_repetition_heals_is_for_good() -> None:
    found = after_failure(a_claim(max_attempts=4), STEADY, ERROR, Reason.ERROR, NOW, retry=False)

    assert found.state is RunState.FAILED


def test_a_handler_may_choose_the_delay() -> None:
    found = after_failure(a_claim(max_attempts=2), STEADY, ERROR, Reason.ERROR, NOW, retry_after=90 * SECOND)

    assert found.available_at == NOW + 90 * SECOND


def test_a_chosen_delay_uses_up_an_attempt() -> None:
    found = after_failure(a_claim(max_attempts=1), STEADY, ERROR, Reason.ERROR, NOW, retry_after=90 * SECOND)

    assert found.state is RunState.FAILED


@pytest.mark.parametrize(("chosen", "delay"), [(-MINUTE, timedelta(0)), (timedelta.max, timedelta(days=36_500))])
def test_a_senseless_delay_is_brought_into_bounds(chosen: timedelta, delay: timedelta) -> None:
    found = after_failure(a_claim(max_attempts=2), STEADY, ERROR, Reason.ERROR, NOW, retry_after=chosen)

    assert found.available_at == NOW + delay


def test_losses_do_not_eat_retries() -> None:
    found = after_failure(a_claim(attempt=3, losses=2, max_attempts=2), STEADY, ERROR, Reason.ERROR, NOW)

    assert (found.state, found.losses) == (RunState.SCHEDULED, 2)
    assert found.available_at == NOW + 10 * SECOND


# -- the error entry


def test_long_texts_are_cut_the_message_at_its_end_the_traceback_at_its_beginning() -> None:
    error = {"type": "E", "message": "m" + "ä" * 20_000, "traceback": "ä" * 20_000 + "last line"}

    entry = after_failure(a_claim(), STEADY, error, Reason.ERROR, NOW).error

    assert entry is not None
    assert LONGEST_MESSAGE - 4 < len(entry["message"].encode()) <= LONGEST_MESSAGE
    assert entry["message"].startswith("mä")
    assert LONGEST_TRACEBACK - 4 < len(entry["traceback"].encode()) <= LONGEST_TRACEBACK
    assert entry["traceback"].endswith("last line")


def test_text_that_no_database_stores_is_made_visible() -> None:
    entry = after_failure(a_claim(), STEADY, {"type": "E", "message": "a\0b\udc80"}, Reason.ERROR, NOW).error

    assert entry is not None
    assert entry["message"] == "a\\u0000b\\udc80"


# -- snooze, cancel, given back


def test_a_snooze_uses_up_no_attempt() -> None:
    found = after_snooze(a_claim(attempt=2), NOW + MINUTE, NOW)

    assert (found.state, found.attempt, found.available_at) == (RunState.SCHEDULED, 1, NOW + MINUTE)
    assert found.error is None


@pytest.mark.parametrize(("until", "at"), [(MINUTE, NOW + MINUTE), (NOW - MINUTE, NOW), (-MINUTE, NOW)])
def test_a_snooze_into_the_past_comes_back_at_once(until: datetime | timedelta, at: datetime) -> None:
    assert after_snooze(a_claim(), until, NOW).available_at == at


def test_a_snooze_until_a_naive_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="naive"):
        after_snooze(a_claim(), datetime(2026, 1, 2), NOW)


def test_a_handler_that_cancels_ends_its_run_and_says_why() -> None:
    found = after_cancel(a_claim(max_attempts=4), "customer left", NOW)

    assert (found.state, found.reason, found.attempt) == (RunState.CANCELLED, Reason.CANCELLED, 1)
    assert found.error is not None
    assert found.error["message"] == "customer left"


def test_a_run_given_back_is_pending_as_if_it_had_not_started() -> None:
    expected = Transition(id=7, claim_no=3, node=2, state=RunState.PENDING, attempt=1, losses=1)

    assert given_back(a_claim(attempt=2, losses=1)) == expected
    assert given_back_owned(an_owned(attempt=2, losses=1)) == expected


# -- loss


def test_a_lost_run_is_pending_again_and_says_so() -> None:
    found = after_loss(an_owned(attempt=2), "retry", NOW)

    assert (found.state, found.attempt, found.losses, found.reason) == (RunState.PENDING, 2, 1, Reason.LOST)
    assert found.error is not None
    assert found.error["reason"] == "lost"
    assert "node 2" in found.error["message"]


@pytest.mark.parametrize(("losses", "state"), [(0, RunState.PENDING), (1, RunState.PENDING), (2, RunState.FAILED)])
def test_the_third_loss_is_for_good(losses: int, state: RunState) -> None:
    found = after_loss(an_owned(losses=losses), "retry", NOW)

    assert (found.state, found.losses) == (state, losses + 1)
    assert found.reason is Reason.LOST


def test_a_job_that_fails_on_a_crash_is_lost_at_once() -> None:
    found = after_loss(an_owned(max_attempts=5), "fail", NOW)

    assert (found.state, found.reason) == (RunState.FAILED, Reason.LOST)
