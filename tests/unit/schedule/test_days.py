"""Days that match, and what is shared and remembered of them."""

from datetime import date, datetime

import pytest
from croniter import croniter

from jobsched.schedule.days import Days, days_of


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    ("expression", "asked", "first", "last"),
    [
        ("0 0 * * *", "2026-05-01", "2026-05-01", "2026-05-01"),
        ("0 0 * * 1", "2026-05-01", "2026-05-04", "2026-04-27"),
        ("0 0 * * 5", "2026-05-01", "2026-05-01", "2026-05-01"),
        ("0 0 29 2 *", "2026-05-01", "2028-02-29", "2024-02-29"),
        ("0 0 l * *", "2026-05-01", "2026-05-31", "2026-04-30"),
        ("0 0 1 1 * 0 2030", "2026-05-01", "2030-01-01", None),
        ("0 0 1 1 * 0 2020", "2026-05-01", None, "2020-01-01"),
    ],
)
def test_the_nearest_days_that_match(expression: str, asked: str, first: str | None, last: str | None) -> None:
    days = Days(expression)

    assert days.first_from(day(asked)) == (first and day(first))
    assert days.last_until(day(asked)) == (last and day(last))


def test_expressions_that_name_the_same_days_share_them() -> None:
    assert days_of("30 2 * * 1") is days_of("0,5,10 * * * 1 30")
    assert days_of("30 2 * * 1") is not days_of("30 2 * * 2")
    assert days_of("0 0 1 1 * 0 2030") is not days_of("0 0 1 1 * 0 2031")


def test_an_answer_is_the_same_when_it_was_forgotten() -> None:
    days, start = Days("0 0 * * 1"), day("2026-01-01")

    answers = [days.first_from(start + number) for number in range(500)]

    assert [days.first_from(start + number) for number in range(500)] == answers
    assert all(found is not None and 0 <= found - start - number < 7 for number, found in enumerate(answers))


@pytest.mark.parametrize("expression", ["0 0 * * *", "0 0 * * 1"])
def test_there_are_no_days_beyond_the_years_that_a_date_can_hold(expression: str) -> None:
    days = Days(expression)

    assert days.first_from(date.max.toordinal() + 1) is None
    assert days.last_until(0) is None


@pytest.mark.parametrize("of_month", ["*", "1", "15,28", "29", "30", "31", "30,31"])
@pytest.mark.parametrize("of_week", ["*", "0", "1,2,3,4,5", "6"])
def test_numbered_days_are_those_that_croniter_finds(of_month: str, of_week: str) -> None:
    days, start = days_of(f"0 0 {of_month} * {of_week}"), datetime(2027, 12, 1)

    after = croniter(f"0 0 {of_month} * {of_week}", start)
    before = croniter(f"0 0 {of_month} * {of_week}", start)

    theirs = [after.get_next(datetime).toordinal() for _ in range(40)]
    ours = [days.first_from(start.toordinal() + 1)]
    while len(ours) < len(theirs):
        ours.append(days.first_from((ours[-1] or 0) + 1))
    assert ours == theirs
    theirs = [before.get_prev(datetime).toordinal() for _ in range(40)]
    ours = [days.last_until(start.toordinal() - 1)]
    while len(ours) < len(theirs):
        ours.append(days.last_until((ours[-1] or 0) - 1))
    assert ours == theirs
