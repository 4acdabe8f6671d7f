"""Runs on their way into and out of an adapter's own statements."""

import json
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
)

_SOURCES = {source.value: source for source in Source}


def claim_of(row: Any, node: int, wish: ClaimWish) -> Claim:
    """The claim in a row of `CLAIM_COLUMNS`, instants in UTC already."""
    return Claim(
        id=row[0],
        claim_no=row[1],
        node=node,
        namespace=row[2],
        job=row[3],
        job_revision=row[4],
        handler=row[5],
        source=_SOURCES[row[6]],
        queue=row[7],
        attempt=row[8],
        max_attempts=row[9],
        losses=row[10],
        scheduled_at=row[11],
        available_at=row[12],
        started_at=row[13],
        generation=wish.generations[row[2]],
        payload=json.loads(row[14]),
        key=row[15],
    )


def leaves_for_good(transition: Transition) -> bool:
    """False for a run that is to run again, and so needs its job."""
    return transition.state not in (RunState.SCHEDULED, RunState.PENDING)
