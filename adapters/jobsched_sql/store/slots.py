"""The port's chapter on slots."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from jobsched.model.audit import Act
from jobsched.model.backfill import Refill, SlotRow
from jobsched.model.run import Claim, Created
from jobsched.model.state import DueJob, Firing
from jobsched.store.port import ClaimWish, FireAhead
from jobsched_sql import auditing, backfill, questions, slots
from jobsched_sql.store.base import OnDialect


class SqlSlots(OnDialect):
    """Slots become runs."""

    def next_due(self, namespaces: Sequence[str]) -> datetime | None:
        return self._dialect.read(lambda connection: slots.next_due(connection, namespaces))

    def due(self, namespaces: Sequence[str], until: datetime, limit: int) -> list[DueJob]:
        return self._dialect.read(lambda connection: slots.due(connection, namespaces, until, limit))

    def prepare(self, firings: Sequence[Firing]) -> list[Firing]:
        return [replace(firing, prepared=self._dialect.prepared(firing)) for firing in firings]

    def fire(self, firings: Sequence[Firing]) -> list[Created]:
        return self._fired(firings, None)[0]

    def fire_and_claim(self, firings: Sequence[Firing], wish: ClaimWish) -> tuple[list[Created], list[Claim]]:
        return self._fired(firings, wish if _is_of_any_queue(wish) else None)

    def _fired(self, firings: Sequence[Firing], wish: ClaimWish | None) -> tuple[list[Created], list[Claim]]:
        if not firings:
            return [], []
        made, claims = slots.fire(self._dialect, firings, wish)
        return self._announced(made, [run for firing in firings for run in firing.runs]), claims

    def fire_ahead(self, firings: Sequence[Firing], wish: ClaimWish | None, at: datetime) -> FireAhead | None:
        asked = wish if wish is not None and _is_of_any_queue(wish) else None
        return self._dialect.fire_ahead(firings, asked, at)

    def slot_states(self, namespace: str, job: str, slots: Sequence[datetime]) -> list[SlotRow]:
        return self._dialect.read(lambda connection: questions.slot_states(connection, namespace, job, slots))

    def backfill(self, refill: Refill, *, act: Act | None = None) -> list[Created] | None:
        def fill(connection: Connection) -> list[Created] | None:
            made = backfill.backfill(connection, self._dialect, refill)
            auditing.record_runs(connection, self._dialect, act, auditing.of_jobs(made or ()))
            return made

        made = self._dialect.write(fill)
        return None if made is None else self._announced(made, refill.runs)


def _is_of_any_queue(wish: ClaimWish) -> bool:
    """What is chosen queue by queue is left to `claim`."""
    return wish.queues is None and not wish.paused and not wish.shares and wish.limit > 0
