"""A whole cron expression: split, checked field by field, and rewritten in the plainest form that croniter matches."""

import calendar
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from jobsched.errors import CronError
from jobsched.schedule import other_crons
from jobsched.schedule.fields import FIELDS, Field, FieldValues, parse_field

LONGEST_EXPRESSION = 256
_SHORTEST_WITH_YEARS = len("* * * * * * *")
#: Five fields, each a number that it may hold, or a * with or without a step. Days after the 28th are left out: not every
#: month has them.
_PLAIN = re.compile(
    " ".join(
        rf"(?:\*(?:/[1-9][0-9]{{0,3}})?|{number})"
        for number in ("[0-5]?[0-9]", "[01]?[0-9]|2[0-3]", "0?[1-9]|1[0-9]|2[0-8]", "0?[1-9]|1[0-2]", "[0-7]")
    )
)
#: A step that may be one; the narrowest field has seven values.
_WIDE_STEP = re.compile("/(?:[0-9]{2}|[7-9])")
_HASH = re.compile("(?<![a-z])h(?![a-z])", re.IGNORECASE)

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: Years in which every kind of year occurs: leap or not, beginning on each weekday.
_ALL_KINDS_OF_YEAR = range(2000, 2028)
#: The last day of the month that all months have.
_IN_EVERY_MONTH = 28


@dataclass(frozen=True, slots=True)
class CronExpression:
    """What an expression means, apart from any zone."""

    text: str  #: as it was written
    canonical: str  #: lists of numbers only, so that none of croniter's readings of short forms matters
    fixed: bool  #: neither minute nor hour starts with `*`: the schedule means times of day, not elapsed time


def uses_hash(text: str) -> bool:
    """Whether an expression may hold an `H`, so that it depends on the job's name."""
    # The pattern is asked last: most expressions are numbers, and thousands of them are asked about.
    return ("H" in text or "h" in text) and _HASH.search(text) is not None


def is_plain(text: str) -> bool:
    """Whether an expression is one of the most common, and surely right: it has slots every year, whatever the job's name."""
    return _PLAIN.fullmatch(text) is not None


class LoneStep(NamedTuple):
    """A step that leads out of its field at once, so that the item is one value: `*/90` minutes are minute 0 of each hour.

    `5/60` is none: that minute 5 is each 60 minutes.
    """

    field: Field
    item: str
    value: int
    step: int


def lone_steps(text: str) -> list[LoneStep]:
    """Of an expression without errors."""
    if _WIDE_STEP.search(text) is None:  # of nearly all
        return []
    found: list[LoneStep] = []
    for kind, field_text in zip(FIELDS, _split(text), strict=False):
        for item in field_text.split(","):
            base, _, step = item.partition("/")
            if not step or base[0] in "Hh" or int(step) == kind.high - kind.low + 1:
                continue
            values = parse_field(kind, item, None).plain
            if len(values) == 1:
                found.append(LoneStep(kind, item, min(values), int(step)))
    return found


def names_years(text: str) -> bool:
    """Whether an expression has a field of years, so that its slots may come to an end."""
    return len(text) >= _SHORTEST_WITH_YEARS and len(text.split()) >= len(FIELDS)


@lru_cache(maxsize=16_384)  # checking a file, planning and firing read the same ones
def parse_expression(text: str, job_name: str | None = None) -> CronExpression:
    """Read an expression of 5, 6 (seconds) or 7 (years) fields, or an alias like `@daily`.

    Raises CronError with the field and the reason, also for a schedule that no date can ever match.
    """
    try:
        return _parsed(text, job_name)
    except CronError as error:
        raise _as_others_write_it(error, text, job_name) from None


def is_valid(text: str, job_name: str | None = None) -> bool:
    try:
        _parsed(text, job_name)
    except CronError:
        return False
    return True


def _as_others_write_it(error: CronError, text: str, job_name: str | None) -> CronError:
    """The error, with what to write if the expression was written for another program."""
    valid = partial(is_valid, job_name=job_name)
    refusal = other_crons.refusal(text, valid)
    if refusal is not None:
        return CronError(text, None, refusal)
    advice = other_crons.advice(text, valid)
    return error if advice is None else CronError(text, error.field, f"{error.reason}; {advice}")


def _parsed(text: str, job_name: str | None) -> CronExpression:
    minute_text, hour_text, *others = _split(text)
    try:
        minute, hour = _minutes_or_hours(0, minute_text, job_name), _minutes_or_hours(1, hour_text, job_name)
        days = _days_and_seconds(tuple(others), job_name)
    except _FieldError as error:
        raise CronError(text, error.field, str(error)) from None
    return CronExpression(
        text=text,
        canonical=f"{minute.canonical} {hour.canonical} {days}",
        fixed=not (minute.starred or hour.starred),
    )


def _split(text: str) -> list[str]:
    if len(text) > LONGEST_EXPRESSION:
        raise CronError(text[:LONGEST_EXPRESSION], None, f"an expression has at most {LONGEST_EXPRESSION} characters")
    stripped = text.strip(" \t\r\n")
    if stripped.startswith("@"):
        return _alias(text, stripped).split(" ")
    parts = re.split("[ \t]+", stripped) if stripped else []
    if not 5 <= len(parts) <= 7:
        raise CronError(
            text,
            None,
            f"{len(parts)} field{'s' * (len(parts) != 1)}; "
            "write 5: minute hour day-of-month month day-of-week (a 6th is second, a 7th year)",
        )
    return parts


def _alias(text: str, alias: str) -> str:
    expansion = _ALIASES.get(alias.lower())
    if expansion is not None:
        return expansion
    hint = {"@reboot": "a job without schedule runs when triggered", "@every": "write `every:` instead of `cron:`"}
    known = ", ".join(sorted(_ALIASES))
    word = alias.lower().partition(" ")[0]
    raise CronError(text, None, f"{alias!r} is no alias; {hint.get(word, f'there are {known}')}")


class _FieldError(Exception):
    """What is wrong with which field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class _Times(NamedTuple):
    """A field of minutes or hours."""

    canonical: str
    starred: bool


@lru_cache(maxsize=4096)  # expressions of a file are many, their fields few
def _minutes_or_hours(number: int, text: str, job_name: str | None) -> _Times:
    values = _field(number, text, job_name)
    return _Times(_time(values, 24 if number else 60), values.starred)


@lru_cache(maxsize=4096)
def _days_and_seconds(texts: tuple[str, ...], job_name: str | None) -> str:
    """The canonical form of all fields but minute and hour, which say on what days there is a slot at all."""
    day, month, weekday, *others = (_field(number, text, job_name) for number, text in enumerate(texts, 2))
    second = others[0] if others else None
    year = others[1] if len(others) > 1 and others[1].restricted else None
    _refuse_unclear_days(day, weekday)
    if not _some_day(day, weekday, month.plain, year.plain if year else _ALL_KINDS_OF_YEAR):
        raise _FieldError("day-of-month" if day.restricted else "day-of-week", "no date ever matches; it never fires")
    of_month, of_week = _days(day, weekday)
    parts = [of_month, _time(month, 12), of_week]
    if second:
        parts.append(_time(second, 60))
    if year:
        parts.append(_list(year))
    return " ".join(parts)


def _field(number: int, text: str, job_name: str | None) -> FieldValues:
    try:
        return parse_field(FIELDS[number], text, job_name)
    except ValueError as error:
        raise _FieldError(FIELDS[number].name, str(error)) from None


def _refuse_unclear_days(day: FieldValues, weekday: FieldValues) -> None:
    """Both day fields restricted means either; for `#`, `L5` and `W` croniter would lose one of the two."""
    if not (day.restricted and weekday.restricted):
        return
    if weekday.special:
        raise _FieldError("day-of-week", f"{weekday.text!r} needs a * as day-of-month; write two expressions")
    if any(form != "l" for form in day.special):
        raise _FieldError("day-of-month", f"{day.text!r} needs a * as day-of-week; write two expressions")


def _some_day(day: FieldValues, weekday: FieldValues, months: Collection[int], years: Collection[int]) -> bool:
    if not (day.special or weekday.special) and min(day.plain) <= _IN_EVERY_MONTH:
        return True
    return any(_some_day_in(year, month, day, weekday) for year in years for month in months)


def _some_day_in(year: int, month: int, day: FieldValues, weekday: FieldValues) -> bool:
    if weekday.plain and (weekday.restricted or not day.restricted):
        return True  # each month has all weekdays
    first_weekday, days = calendar.monthrange(year, month)
    if weekday.special:
        return any(_occurs(form, first_weekday, days) for form in weekday.special)
    return bool(day.special) or min(day.plain) <= days


def _occurs(form: str, first_weekday: int, days: int) -> bool:
    """Whether a month that begins on `first_weekday` (Monday is 0) has a day of the form `1#5`; all have `l1`."""
    if form.startswith("l"):
        return True
    weekday, nth = form.split("#")
    first = 1 + (int(weekday) - 1 - first_weekday) % 7
    return first + 7 * (int(nth) - 1) <= days


def _time(values: FieldValues, size: int) -> str:
    return "*" if len(values.plain) == size else _list(values)


def _days(day: FieldValues, weekday: FieldValues) -> list[str]:
    """The two day fields. Where both are restricted either matches, so one that holds all days frees both."""
    every_day, every_weekday = len(day.plain) == 31, len(weekday.plain) == 7
    if day.restricted and weekday.restricted and (every_day or every_weekday):
        return ["*", "*"]
    return ["*" if every_day else _list(day), "*" if every_weekday else _list(weekday)]


def _list(values: FieldValues) -> str:
    return ",".join([*map(str, sorted(values.plain)), *values.special])
