"""Times of day, walked through in both directions."""

from datetime import datetime, timedelta
from itertools import product

import pytest

from jobsched.schedule.times import TimesOfDay

DAY, SECOND = datetime(2026, 5, 1), timedelta(seconds=1)

EXPRESSIONS = ["0 0 * * *", "30 2 * * *", "0,20,40 8,9,17 * * *", "59 23 * * * 0,59", "5 * 1 * * 7,30"]


def all_times(canonical: str) -> list[datetime]:
    minutes, hours, seconds = TimesOfDay.of(canonical)
    return [
        DAY.replace(hour=hour, minute=minute, second=second)
        for hour, minute, second in product(hours, minutes, seconds)
    ]


def test_a_star_is_every_value_and_no_seconds_are_the_whole_minute() -> None:
    assert TimesOfDay.of("* 3 * * *") == (tuple(range(60)), (3,), (0,))
    assert TimesOfDay.of("0 0 * * * 5,10 2026").seconds == (5, 10)


@pytest.mark.parametrize("canonical", EXPRESSIONS)
def test_walking_forward_meets_every_time_of_the_day_and_then_none(canonical: str) -> None:
    times = TimesOfDay.of(canonical)

    met = [times.first(DAY)]
    while (later := times.after(met[-1])) is not None:
        met.append(later)

    assert met == all_times(canonical)


@pytest.mark.parametrize("canonical", EXPRESSIONS)
def test_walking_back_meets_every_time_of_the_day_and_then_none(canonical: str) -> None:
    times = TimesOfDay.of(canonical)

    met = [times.last(DAY)]
    while (earlier := times.at_or_before(met[-1] - SECOND)) is not None and earlier.date() == DAY.date():
        met.append(earlier)

    assert met == all_times(canonical)[::-1]


@pytest.mark.parametrize("canonical", EXPRESSIONS)
def test_between_two_times_lie_those_after_the_first_up_to_the_second(canonical: str) -> None:
    times, every = TimesOfDay.of(canonical), all_times(canonical)

    assert times.between(every[0], every[-1]) == len(every) - 1
    assert times.between(every[-1], every[-1]) == 0
    assert times.between(DAY, DAY.replace(hour=23, minute=59, second=59)) == sum(each > DAY for each in every)
