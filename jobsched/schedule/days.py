"""The days that a cron expression names: remembered, and safe to be asked from many threads.

Numbers of days, of the month or of the week, are counted off here; all other forms are croniter's to say.
"""

from collections import deque
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from croniter import croniter

_EPOCH = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - wall-clock times are naive
_NEWEST = datetime(9999, 12, 31).toordinal()  # noqa: DTZ001
_DAY_SECONDS = 86_400
_FIELDS_WITH_YEAR = 7
#: The longest way from any day to the 31st of a month, and so to any numbered day, is from 1 April to 31 May.
_ANY_DAY_WITHIN = 62
#: Without a year field matches are at most 40 years apart (29 February on a given weekday, around 2100).
_YEARS_APART = 50
#: croniter leaps to a listed year at once, so this bound costs nothing.
_YEARS_APART_WITH_YEARS = 10_000
#: Answers to keep; those about today and the days around it are asked for again and again.
_REMEMBERED = 64


class Days:
    """The days that match an expression for midnight. Days are ordinals, as `date.toordinal` counts them."""

    __slots__ = ("_every_day", "_expression", "_first_from", "_idle", "_last_until", "_plain")

    def __init__(self, expression: str) -> None:
        self._expression, self._every_day = expression, expression == "0 0 * * *"
        self._plain = _plain_days(expression)
        # A croniter keeps its place in itself, so no two threads may share one; appends and pops of a deque are atomic.
        self._idle: deque[croniter] = deque(maxlen=4)
        self._first_from: dict[int, int | None] = {}
        self._last_until: dict[int, int | None] = {}

    def first_from(self, day: int) -> int | None:
        """The first match not earlier than `day`; None if there is none up to the year 9999."""
        if self._every_day:
            return day if day <= _NEWEST else None
        return _remembered(self._first_from, day, self._ask_forward)

    def last_until(self, day: int) -> int | None:
        """The last match not later than `day`."""
        if self._every_day:
            return day if day >= 1 else None
        return _remembered(self._last_until, day, self._ask_back)

    def _ask_forward(self, day: int) -> int | None:
        if self._plain is not None:
            return self._plain.first(range(day, min(day + _ANY_DAY_WITHIN, _NEWEST + 1)))
        return self._ask(lambda matcher: matcher.get_next(datetime, (day - _EPOCH) * _DAY_SECONDS - 1.0))

    def _ask_back(self, day: int) -> int | None:
        if self._plain is not None:
            return self._plain.first(range(day, max(day - _ANY_DAY_WITHIN, 0), -1))
        return self._ask(lambda matcher: matcher.get_prev(datetime, (day - _EPOCH) * _DAY_SECONDS + 1.0))

    def _ask(self, question: "Callable[[croniter], datetime]") -> int | None:
        try:
            matcher = self._idle.pop()
        except IndexError:
            matcher = _croniter(self._expression)
        try:
            return question(matcher).toordinal()
        except (ValueError, OverflowError):  # CroniterBadDateError is a ValueError, as is a year out of range
            return None
        finally:
            self._idle.append(matcher)


class _PlainDays(NamedTuple):
    """Days by their numbers in a month, or in a week (Sunday is 0), whatever the month and the year."""

    of_month: frozenset[int]
    of_week: frozenset[int]

    def first(self, days: range) -> int | None:
        """The first of these that is one of them. An ordinal's rest by 7 is its day of the week."""
        of_month, of_week = self
        if not of_month:
            return next((day for day in days if day % 7 in of_week), None)
        return next((day for day in days if day % 7 in of_week or date.fromordinal(day).day in of_month), None)


def _plain_days(expression: str) -> _PlainDays | None:
    """None for what takes croniter: days that are no numbers, and those of some months or years."""
    of_month, month, of_week, *year = expression.split(" ")[2:]
    if year or month != "*":
        return None
    try:
        # Where both fields are restricted, a day that either of them names is one.
        return _PlainDays(_numbers(of_month), _numbers(of_week))
    except ValueError:
        return None


def _numbers(field: str) -> frozenset[int]:
    return frozenset() if field == "*" else frozenset(map(int, field.split(",")))


def _remembered(answers: dict[int, int | None], day: int, ask: Callable[[int], int | None]) -> int | None:
    try:
        return answers[day]
    except KeyError:
        pass
    found = ask(day)
    if len(answers) >= _REMEMBERED:
        answers.clear()
    answers[day] = found
    if found is not None:
        answers[found] = found
    return found


def days_of(canonical: str) -> Days:
    """The days of a canonical expression; all expressions that name the same days share them."""
    fields = canonical.split(" ")
    midnight = ["0", "0", *fields[2:5], *(["0", fields[6]] if len(fields) == _FIELDS_WITH_YEAR else [])]
    return _days(" ".join(midnight))


@lru_cache(maxsize=2048)  # a croniter takes some kilobytes: the least used ones are built again
def _days(expression: str) -> Days:
    return Days(expression)


def _croniter(expression: str) -> "croniter":
    # Imported late: most files name no days at all, and checking an expression needs no matching.
    from croniter import croniter

    years = _YEARS_APART_WITH_YEARS if expression.count(" ") + 1 == _FIELDS_WITH_YEAR else _YEARS_APART
    return croniter(expression, 0.0, max_years_between_matches=years)
