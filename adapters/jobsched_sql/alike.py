"""Runs to be inserted, those that follow each other and differ in nothing but their payload taken together.

Programs enqueue by the thousand what is all for one handler: then the other columns need be said, sent and read once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from jobsched.model.run import NewRun
from jobsched_sql.dialect import Placed
from jobsched_sql.texts import encode

_PAYLOAD = NewRun._fields.index("payload")


class Alike(NamedTuple):
    """Runs from `position` on, like the first of them, with these payloads as JSON."""

    position: int
    first: Placed
    payloads: list[str]


def alike(placed: Sequence[Placed]) -> Iterator[Alike]:
    """All of them, in their order."""
    position = 0
    for _, each in groupby(placed, _what_counts):
        group = list(each)
        yield Alike(position, group[0], [encode(one.run.payload) for one in group])
        position += len(group)


def _what_counts(one: Placed) -> tuple[object, ...]:
    run = one.run
    return one.state, one.reason, run[:_PAYLOAD], run[_PAYLOAD + 1 :]
