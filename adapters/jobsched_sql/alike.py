"""Runs to be inserted that differ in nothing but their payload, and runs to be finished that differ in nothing but their id.

Programs enqueue by the thousand what is all for one handler, and most of it succeeds: then the rest need be said, sent and
read once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from jobsched.model.run import NewRun, RunState, Transition
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


_RESULT = Transition._fields.index("result")
_NOTHING_MORE = tuple(Transition._field_defaults[name] for name in Transition._fields[_RESULT:])


class WellAlike(NamedTuple):
    """Runs that succeeded with nothing to show for it, all by the same claim number of one node."""

    node: int
    claim_no: int
    attempt: int
    losses: int
    ids: list[int]


def well_and_alike(wanted: Sequence[Transition]) -> WellAlike | None:
    """None if not all of them, at least one, are of this kind."""
    first = wanted[0]
    if first.state is not RunState.SUCCEEDED or first.reason is not None or first.available_at is not None:
        return None
    like_it = (*first[1:_RESULT], *_NOTHING_MORE)
    if any(one[1:] != like_it for one in wanted):
        return None
    return WellAlike(first.node, first.claim_no, first.attempt, first.losses, [one.id for one in wanted])
