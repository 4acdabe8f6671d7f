"""Rates of queues: arithmetic on instants, and the text they are written as."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model.queue import EARLIEST, QueueLimits, Rate, parse_rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
EACH_SECOND = Rate(60, MINUTE)


@pytest.mark.parametrize(
    ("text", "rate", "written"),
    [
        ("100/1m", Rate(100, MINUTE), "100/1m"),
        ("1/90", Rate(1, timedelta(seconds=90)), "1/1m30s"),
        ("5/1h30m", Rate(5, timedelta(minutes=90)), "5/1h30m"),
        ("10000/1s", Rate(10_000, SECOND), "10000/1s"),
    ],
)
def test_a_rate_is_read_and_written(text: str, rate: Rate, written: str) -> None:
    assert parse_rate(text) == parse_rate(written) == rate
    assert str(rate) == written


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("0/1m", "a rate of 0 would let nothing run; to hold a queue: jobsched pause --queue"),
        ("100", "100 does not say in how long; write how many in how long, like 100/1m"),
        (100, "100 does not say in how long; write how many in how long, like 100/1m"),
        (["1/1m"], "is no rate; write how many in how long, like 100/1m"),
        ("x/1m", "'x' is no number of runs; write how many in how long, like 100/1m"),
        ("-1/1m", "'-1' is no number of runs"),
        ("1.5/1m", "'1.5' is no number of runs"),
        ("100/x", "'x' is no duration; write 200ms, 30s, 5m, 1h30m or 2d, largest unit first; write how many"),
        ("100/m", "'m' is no duration"),
        ("100/", "'' is no duration"),
        ("100/0s", "a rate is for a time between 1ms and 366d"),
        ("1/400d", "a rate is for a time between 1ms and 366d"),
        ("10001/1s", "a rate is at most 10,000 runs a second; leave it out to have none"),
        ("2000000/1d", "a rate is at most 1,000,000 runs in a time; name a shorter one"),
    ],
)
def test_what_is_no_rate_says_what_to_write(value: object, told: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]") as refused:
        parse_rate(value)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("rate", "interval", "burst"),
    [
        (EACH_SECOND, SECOND, 1),
        (Rate(7, timedelta(seconds=10)), timedelta(microseconds=1_428_572), 1),
        (Rate(10, SECOND), timedelta(milliseconds=100), 2),
        (Rate(100, SECOND), timedelta(milliseconds=10), 11),
        (Rate(1, timedelta(days=1)), timedelta(days=1), 1),
    ],
)
def test_starts_are_evenly_spaced_but_for_a_small_burst(rate: Rate, interval: timedelta, burst: int) -> None:
    assert (rate.interval, rate.burst) == (interval, burst)
    assert rate.places(None, NOW) == burst


@pytest.mark.parametrize(
    ("away", "places"),
    [
        (timedelta(0), 0),
        (SECOND - EARLIEST - timedelta(microseconds=1), 0),
        (SECOND - EARLIEST, 1),
        (SECOND, 1),
        (timedelta(hours=1), 1),
    ],
)
def test_the_next_place_comes_an_interval_after_the_last_start(away: timedelta, places: int) -> None:
    assert EACH_SECOND.places(NOW, NOW + away) == places
    assert (EACH_SECOND.next_at(NOW, NOW + away) <= NOW + away) == bool(places)


def test_who_is_early_waits_the_longer_for_the_next() -> None:
    early = NOW + SECOND - EARLIEST
    last = EACH_SECOND.after(NOW, early, 1)

    assert last == NOW + SECOND
    assert EACH_SECOND.next_at(last, early) == NOW + 2 * SECOND - EARLIEST


def test_places_that_are_taken_at_once_are_paid_for_by_those_after_them() -> None:
    rate = Rate(100, SECOND)
    last = rate.after(None, NOW, rate.burst)

    assert rate.places(last, NOW) == 0
    assert rate.next_at(last, NOW) == NOW + rate.interval
    assert rate.places(last, NOW + EARLIEST) == 10


@pytest.mark.parametrize(("ahead", "due"), [(0, NOW), (1, NOW + SECOND - EARLIEST), (3, NOW + 3 * SECOND - EARLIEST)])
def test_a_run_is_due_after_those_before_it(ahead: int, due: datetime) -> None:
    assert EACH_SECOND.due_at(None, NOW, ahead) == due


def test_a_clock_that_was_set_back_makes_nobody_wait_until_it_has_caught_up() -> None:
    assert EACH_SECOND.next_at(NOW + timedelta(hours=1), NOW) == NOW
    assert EACH_SECOND.after(NOW + timedelta(hours=1), NOW, 1) == NOW


def test_limits_are_json_in_the_words_of_the_file() -> None:
    limits = QueueLimits(rate=EACH_SECOND, max_queued=5)

    assert limits.as_json() == {"limit": None, "rate": "60/1m", "max_queued": 5}
