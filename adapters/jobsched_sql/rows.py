"""Runs on their way into and out of an adapter's own statements."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import CursorResult

from jobsched.model.run import Claim, RunState, Source, Transition
from jobsched_sql.dialect import ClaimWish

#: The columns that `claim_of` reads, in its order.
CLAIM_COLUMNS = (
    "id",
    "claim_no",
    "namespace",
    "job",
    "job_revision",
    "handler",
    "source",
    "queue",
    "attempt",
    "max_attempts",
    "losses",
    "scheduled_at",
    "available_at",
    "started_at",
    "payload",
    "concurrency_key",
    "priority",
    "attempts_before",
    "timeout_ms",
    "trace",
)

_SOURCES = {source.value: source for source in Source}


_decoder = json.JSONDecoder()


def _payload(text: str) -> Any:
    """As `json.loads`, without its looking for blanks: a text that we wrote has none around it."""
    try:
        value, end = _decoder.raw_decode(text)
    except ValueError:
        return _decoder.decode(text)
    return value if end == len(text) else _decoder.decode(text)


#: What a claim is sorted by: priority, available_at, id.
claim_order = itemgetter(CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("available_at"), 0)


def claim_of(row: Any, wish: ClaimWish, instant: Callable[[Any], datetime]) -> Claim:
    """The claim in a row of `CLAIM_COLUMNS`; `instant` makes one, in UTC, of what the driver gave."""
    id_, claim_no, namespace, job, revision, handler, source, queue, attempt, max_attempts, losses, *rest = row
    scheduled_at, available_at, started_at, payload, key, _, attempts_before, timeout_ms, trace = rest
    # In the order of the fields, as the rows have nearly theirs: this is made for each run.
    return Claim(
        id_,
        claim_no,
        wish.node,
        namespace,
        job,
        revision,
        handler,
        _SOURCES[source],
        queue,
        attempt,
        max_attempts,
        losses,
        None if scheduled_at is None else instant(scheduled_at),
        instant(available_at),
        instant(started_at),
        wish.generations[namespace],
        _payload(payload),
        key,
        attempts_before,
        None if timeout_ms is None else timedelta(milliseconds=timeout_ms),
        trace,
    )


def driver_rows(result: CursorResult[Any]) -> list[Any]:
    """All rows, as the driver gives them: SQLAlchemy wraps each, which for hundreds at once takes longer than to read them."""
    assert result.cursor is not None
    rows = list(result.cursor.fetchall())
    result.close()
    return rows


def leaves_for_good(transition: Transition) -> bool:
    """False for a run that is to run again, and so needs its job."""
    return transition.state not in (RunState.SCHEDULED, RunState.PENDING)
