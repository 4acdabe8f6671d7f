"""Who acts by a client, what the audit is told of it, and what it tells again."""

from datetime import datetime
from typing import Any

from jobsched.client.opened import Opened
from jobsched.model.audit import Act, Action, Actor, AuditFilter, AuditRow, Via
from jobsched.model.instants import as_utc
from jobsched.who import program, who


class Acting(Opened):
    """What is done by hand, on record."""

    def act(
        self,
        action: Action,
        *,
        by: str | None = None,
        job: str | None = None,
        queue: str | None = None,
        **details: Any,
    ) -> Act:
        """What the audit is to say of an act of this client; several calls that are given one are one act, and one row."""
        actor = self._actor or Actor(by=by or who(), via=Via.PYTHON, program=program())
        told = {"program": actor.program, **details}
        return Act(
            namespace=self.namespace,
            by=by or actor.by,
            via=actor.via,
            action=action,
            job=job,
            queue=queue,
            details={name: value for name, value in told.items() if value is not None},
        )

    def audit(
        self,
        *,
        since: datetime | None = None,
        job: str | None = None,
        by: str | None = None,
        action: Action | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """What people and programs did by hand, newest first. `by`: a part of who; `before_id` continues a list."""
        wanted = AuditFilter(
            namespace=self.namespace,
            since=as_utc(since) if since else None,
            job=job,
            by=by,
            action=action,
            before_id=before_id,
            limit=limit,
        )
        return self.store.audit(wanted)
