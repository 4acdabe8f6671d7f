"""Slots that the node which fires them claims as they are inserted: one write in the place of two.

It is as if they had been claimed in the same instant: by the same rules, and only if nothing waits that would be claimed before.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from jobsched.model.run import Claim, NewRun
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_sql.rows import value_of
from jobsched_sql.texts import clean, encode


def wanted(firings: Sequence[Firing], plain: Sequence[int], others: Iterable[int], wish: ClaimWish) -> Collection[int]:
    """Of these plain ones, by their places, those that the node asks for.

    `others` become runs after them, in the same transaction: what is less urgent than one of those does not go before it.
    """
    most = min((run.priority for n in others for run in firings[n].runs if run.skipped is None), default=None)
    handled = [
        n
        for n in plain
        if firings[n].namespace in wish.generations
        and firings[n].runs[0].handler not in wish.without_handlers
        and (most is None or firings[n].runs[0].priority <= most)
    ]
    if len(handled) > wish.limit:
        handled.sort(key=lambda n: firings[n].runs[0].priority)
    return frozenset(handled[: wish.limit])


def claimed(run: NewRun, wish: ClaimWish, *, id_: int, revision: int | None, now: datetime) -> Claim:
    """The claim of a run that was inserted as running: its first."""
    payload = value_of(encode(run.payload))  # of its own: a handler may change it
    return tuple.__new__(
        Claim,
        (
            id_,
            1,
            wish.node,
            run.namespace,
            run.job,
            revision,
            clean(run.handler),
            run.source,
            clean(run.queue),
            1,
            run.max_attempts,
            0,
            run.scheduled_at,
            run.available_at or now,
            now,
            wish.generations[run.namespace],
            payload,
            run.key,
            0,
            run.timeout,
            run.trace,
        ),
    )
