"""One field of a cron expression: its text read, checked, and turned into the values it stands for."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}

_HASHED = re.compile(r"h(?:\(([^()]*)\))?(?:/(.*))?")


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold. `wraps`: a range may run backwards over the end (22-2)."""

    name: str
    low: int
    high: int
    wraps: bool = False
    names: Mapping[str, int] = field(default_factory=dict)


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23, wraps=True)
DAY_OF_MONTH = Field("day-of-month", 1, 31, wraps=True)
MONTH = Field("month", 1, 12, wraps=True, names=_MONTHS)
DAY_OF_WEEK = Field("day-of-week", 0, 6, wraps=True, names=_WEEKDAYS)
SECOND = Field("second", 0, 59)
YEAR = Field("year", 1970, 2099)

#: In the order in which an expression has them.
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, SECOND, YEAR)


@dataclass(frozen=True, slots=True)
class FieldValues:
    """What a field's text stands for: `special` holds the day forms that are no plain number (`l`, `15w`, `1#3`, `l5`)."""

    text: str
    plain: frozenset[int]
    special: tuple[str, ...] = ()

    @property
    def restricted(self) -> bool:
        """Whether the field narrows anything by its look; `*/1` and `1-31` do, as every cron reads them."""
        return self.text not in {"*", "?"}

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


def parse_field(kind: Field, text: str, job_name: str | None) -> FieldValues:
    """The values of `text`. Raises ValueError with the reason, for people; the caller knows expression and field."""
    if not text.isascii():
        raise ValueError(f"{text!r} has a character that is not ASCII")
    text = text.lower()
    if text == "*" or (text == "?" and kind in (DAY_OF_MONTH, DAY_OF_WEEK)):
        return FieldValues(text, frozenset(range(kind.low, kind.high + 1)))
    plain: set[int] = set()
    special: list[str] = []
    items = text.split(",")
    for item in items:
        day = _special_day(kind, item, alone=len(items) == 1)
        if day is None:
            plain.update(_item(kind, item, job_name))
        else:
            special.append(day)
    if plain and any(day != "l" for day in special):
        raise ValueError(f"{text!r} mixes plain days with other forms; write two expressions")
    return FieldValues(text, frozenset(plain), tuple(special))


def _special_day(kind: Field, item: str, *, alone: bool) -> str | None:
    """The day form in croniter's spelling; None: the item is none."""
    if kind is DAY_OF_MONTH:
        return _special_day_of_month(item, alone=alone)
    if kind is DAY_OF_WEEK:
        return _special_day_of_week(item)
    return None


def _special_day_of_month(item: str, *, alone: bool) -> str | None:
    if item == "l":
        return item
    if item.startswith("l"):
        raise ValueError(f"{item!r}: only L itself, the last day of the month, is supported")
    if "w" not in item:
        return None
    if not item.endswith("w") or not item[:-1].isdigit():
        raise ValueError(f"{item!r}: the weekday nearest to a day is written with one day before the W, as in 15W")
    if not alone:
        raise ValueError(f"{item!r} must stand alone, not in a list")
    return f"{_number(DAY_OF_MONTH, item[:-1])}w"


def _special_day_of_week(item: str) -> str | None:
    if "#" in item:
        day, _, nth = item.partition("#")
        if nth not in {"1", "2", "3", "4", "5"}:
            raise ValueError(f"{item!r}: a month has a first to a fifth of a weekday, as in mon#1")
        return f"{_number(DAY_OF_WEEK, day) % 7}#{nth}"
    if item.startswith("l"):
        if not item[1:].isdigit():
            raise ValueError(f"{item!r}: the last of which weekday of the month? Write a number after it, as in L5")
        return f"l{_number(DAY_OF_WEEK, item[1:]) % 7}"
    if item.endswith("l") and item[:-1].isdigit():
        raise ValueError(f"{item!r}: the last such weekday of the month is written L{item[:-1]}")
    return None


def _item(kind: Field, item: str, job_name: str | None) -> range | list[int]:
    if not item:
        raise ValueError("an item of the list is empty")
    if item == "*":
        raise ValueError("* stands alone, not in a list")
    if item == "?" or "?" in item:
        raise ValueError("? stands alone, in a day field, and means *")
    if item[0] == "r" and (item == "r" or item[1] in "(/"):
        raise ValueError("R is random and would differ on every node; use H, which is fixed for each job")
    hashed = _HASHED.fullmatch(item)
    if hashed:
        return _hashed(kind, *hashed.groups(), job_name=job_name)
    base, slash, step = item.partition("/")
    return _stepped(kind, base, _step(step) if slash else None)


def _stepped(kind: Field, base: str, step: int | None) -> range | list[int]:
    if base == "*":
        return range(kind.low, kind.high + 1, step or 1)
    if "-" in base[1:]:
        return _range(kind, base, step)
    low = _number(kind, base)
    if kind is DAY_OF_WEEK:
        low %= 7
    return [low] if step is None else range(low, kind.high + 1, step)


def _range(kind: Field, text: str, step: int | None) -> range | list[int]:
    low_text, _, high_text = text.partition("-")
    low, high = _number(kind, low_text), _number(kind, high_text)
    if kind is DAY_OF_WEEK:
        low %= 7
    if low == high:
        raise ValueError(f"{text!r} is one value; write {low_text}")
    if low < high:
        # Sunday as 7 ends a range: 5-7 is Friday to Sunday.
        return (
            [value % 7 for value in range(low, high + 1, step or 1)]
            if kind is DAY_OF_WEEK
            else range(low, high + 1, step or 1)
        )
    if not kind.wraps:
        raise ValueError(f"{text!r} runs backwards")
    if step is not None:
        raise ValueError(f"{text!r} runs over the end, where a step has no clear meaning; write a list")
    return [*range(low, kind.high + 1), *range(kind.low, high + 1)]


def _hashed(kind: Field, bounds: str | None, step_text: str | None, *, job_name: str | None) -> range | list[int]:
    if kind is YEAR:
        raise ValueError("H has no meaning for a year")
    if job_name is None:
        raise ValueError("H is hashed from the name of a job, and there is none here")
    # Without bounds a day that every month has is chosen; a step then goes on to the end of the month.
    low, high, end = kind.low, 28 if kind is DAY_OF_MONTH else kind.high, kind.high
    if bounds is not None:
        low, high = _hash_bounds(kind, bounds)
        end = high
    number = int.from_bytes(hashlib.sha256(f"{job_name}\0{kind.name}".encode()).digest()[:8])
    if step_text is None:
        return [(low + number % (high - low + 1))]
    step = _step(step_text)
    return range(low + number % min(step, high - low + 1), end + 1, step)


def _hash_bounds(kind: Field, bounds: str) -> tuple[int, int]:
    low_text, dash, high_text = bounds.partition("-")
    if not dash:
        raise ValueError(f"'h({bounds})': write a range in the brackets, as in H(0-7)")
    low, high = _number(kind, low_text), _number(kind, high_text)
    if kind is DAY_OF_WEEK and high > kind.high:
        raise ValueError(f"'h({bounds})': {high} is above {kind.high}")
    if low >= high:
        raise ValueError(f"'h({bounds})': the range must run upwards")
    return low, high


def _step(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise ValueError(f"{text!r} is no step; write a whole number after the /")
    if int(text) == 0:
        raise ValueError("a step of 0 leads nowhere")
    return int(text)


def _number(kind: Field, text: str) -> int:
    if text in kind.names:
        return kind.names[text]
    if not text.isdigit():
        near = get_close_matches(text, kind.names, 1)
        names = f" or a name like {near[0] if near else next(iter(kind.names))}" if kind.names else ""
        raise ValueError(f"{text!r} is no value; write a number from {kind.low} to {kind.high}{names}")
    # Nobody writes five digits; Python refuses to read some thousand of them.
    value = int(text) if len(text) <= 4 else 10_000
    highest = 7 if kind is DAY_OF_WEEK else kind.high
    if value > highest:
        raise ValueError(f"{text[:20]} is above {highest}")
    if value < kind.low:
        raise ValueError(f"{text} is below {kind.low}")
    return value
