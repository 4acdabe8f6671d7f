"""Runs on their way into and out of an adapter's own statements."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

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
)

_SOURCES = {source.value: source for source in Source}


_payload = json.JSONDecoder().decode

#: What a claim is sorted by: priority, available_at, id.
claim_order = itemgetter(CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("available_at"), 0)


def claim_of(row: Any, wish: ClaimWish, instant: Callable[[Any], datetime]) -> Claim:
    """The claim in a row of `CLAIM_COLUMNS`; `instant` makes one, in UTC, of what the driver gave."""
    return Claim(
        id=row[0],
        claim_no=row[1],
        node=wish.node,
        namespace=row[2],
        job=row[3],
        job_revision=row[4],
        handler=row[5],
        source=_SOURCES[row[6]],
        queue=row[7],
        attempt=row[8],
        max_attempts=row[9],
        losses=row[10],
        scheduled_at=None if row[11] is None else instant(row[11]),
        available_at=instant(row[12]),
        started_at=instant(row[13]),
        generation=wish.generations[row[2]],
        payload=_payload(row[14]),
        key=row[15],
        attempts_before=row[17],
        timeout=None if row[18] is None else timedelta(milliseconds=row[18]),
    )


def leaves_for_good(transition: Transition) -> bool:
    """False for a run that is to run again, and so needs its job."""
    return transition.state not in (RunState.SCHEDULED, RunState.PENDING)
