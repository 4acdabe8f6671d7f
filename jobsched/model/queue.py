"""What a queue allows over all nodes: how many of its runs at once, how many in a time, and how many may wait."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobsched.model.durations import format_duration, parse_duration

#: How much earlier than evenly spaced a run may start: so that whoever comes late by less than this loses nothing of the
#: rate, and high rates are kept in a few looks a second.
EARLIEST = timedelta(milliseconds=100)
#: Instants are counted in microseconds: above this, rounding would show.
_MOST_A_SECOND = 10_000
_MOST = 1_000_000
_LONGEST = timedelta(days=366)
_EXAMPLE = "write how many in how long, like 100/1m"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts in each such period, evenly spaced.

    What is stored is the instant of the last start as if all had come evenly (`last`); the next may come one interval
    after it, or up to `EARLIEST` before that. Hence in no window more than its share of the rate and `burst` more, and an
    edit of the rate holds for the very next start.
    """

    runs: int
    period: timedelta

    @property
    def interval(self) -> timedelta:
        """From one start to the next; rounded up, so that the rate is never exceeded."""
        return -(-self.period // self.runs)

    @property
    def burst(self) -> int:
        """How many may start at the same instant, after a time without any."""
        return 1 + EARLIEST // self.interval

    def next_at(self, last: datetime | None, now: datetime) -> datetime:
        """When the next may start; an instant that has come if it may now."""
        known = _known(last, now)
        return now if known is None else known + self.interval - EARLIEST

    def places(self, last: datetime | None, now: datetime) -> int:
        """How many may start now."""
        if self.next_at(last, now) > now:
            return 0
        return 1 + (now + EARLIEST - self._after_one(last, now)) // self.interval

    def after(self, last: datetime | None, now: datetime, starts: int) -> datetime:
        """The last start, once so many of the places are taken."""
        return self._after_one(last, now) + (starts - 1) * self.interval

    def due_at(self, last: datetime | None, now: datetime, ahead: int) -> datetime:
        """When a run may start that has so many before it; an instant that has come if it may now."""
        places = self.places(last, now)
        if ahead < places:
            return now
        return self.next_at(self.after(last, now, places) if places else last, now) + (ahead - places) * self.interval

    def _after_one(self, last: datetime | None, now: datetime) -> datetime:
        known = _known(last, now)
        return now if known is None else max(now, known + self.interval)

    def __str__(self) -> str:
        return f"{self.runs}/{format_duration(self.period)}"


def _known(last: datetime | None, now: datetime) -> datetime | None:
    """The last start, unless it is later than any that is ever stored: after a clock was set back, nobody waits for it."""
    return None if last is None or last > now + EARLIEST else last


def parse_rate(value: object) -> Rate:
    """The rate that a text like `100/1m` stands for. Raises ValueError saying what is wrong, and what to write."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"is no rate; {_EXAMPLE}")  # noqa: TRY004 - pydantic wants ValueError
    number, slash, period = str(value).partition("/")
    if not slash:
        raise ValueError(f"{value} does not say in how long; {_EXAMPLE}")
    if not re.fullmatch(r"\d{1,7}", number.strip(), re.ASCII):
        raise ValueError(f"{number!r} is no number of runs; {_EXAMPLE}")
    return _checked(Rate(int(number), _period(period)))


def _period(text: str) -> timedelta:
    try:
        period = parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{error}; {_EXAMPLE}") from None
    if not timedelta(milliseconds=1) <= period <= _LONGEST:
        raise ValueError(f"a rate is for a time between 1ms and {format_duration(_LONGEST)}; {_EXAMPLE}")
    return period


def _checked(rate: Rate) -> Rate:
    if not rate.runs:
        raise ValueError("a rate of 0 would let nothing run; to hold a queue: jobsched pause --queue")
    if rate.runs > _MOST:
        raise ValueError(f"a rate is at most {_MOST:,} runs in a time; name a shorter one")
    if rate.runs > _MOST_A_SECOND * rate.period.total_seconds():
        raise ValueError(f"a rate is at most {_MOST_A_SECOND:,} runs a second; leave it out to have none")
    return rate


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What `settings.queues` says of a queue for all nodes together; None: it sets no such limit."""

    limit: int | None = None  #: of its runs, running at once
    rate: Rate | None = None  #: of starts of its runs
    max_queued: int | None = None  #: of runs that wait in it: beyond it `enqueue` refuses

    def as_json(self) -> dict[str, Any]:
        """In the words of jobs.yaml; null is none."""
        return {
            "limit": self.limit,
            "rate": None if self.rate is None else str(self.rate),
            "max_queued": self.max_queued,
        }
