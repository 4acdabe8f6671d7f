"""What a client asks of jobs: which there are, and those that are declared at run time."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from jobsched.client.acting import Acting
from jobsched.client.given import as_time, name_of_job, names_of_jobs
from jobsched.errors import UnknownJobError
from jobsched.model.audit import Act, Action
from jobsched.model.once import Once
from jobsched.model.state import DueJob, StoredJob


class Jobs(Acting):
    """The jobs of the namespace."""

    def jobs(self, names: Sequence[str] | None = None) -> list[StoredJob]:
        """Jobs of the namespace, sorted by name: all, or those of `names` that exist."""
        return self.store.jobs(self.namespace, None if names is None else names_of_jobs(names))

    def job(self, name: str) -> StoredJob:
        """One job. Raises UnknownJobError, with the nearest name."""
        found = self.store.jobs(self.namespace, [name_of_job(name)])
        if found:
            return found[0]
        raise self._unknown(name)

    def upcoming(self, within: timedelta | float | str, limit: int = 100) -> list[DueJob]:
        """The jobs whose next slot comes within this time, the earliest first; none that is paused or suspended.

        `within`: a timedelta, seconds, or text like `10m`.
        """
        return self.store.due([self.namespace], self.store.now() + as_time("within", within), limit)

    def create_job(
        self, name: str, definition: Mapping[str, Any], *, by: str | None = None, once: Once | None = None
    ) -> StoredJob:
        """Declare a job at run time, in the words of jobs.yaml: `{"handler": "mail.digest", "cron": "0 7 * * *"}`.

        No sync touches it, unless a file comes to declare a job of this name, which then takes its place. `by`: who, for
        the generation that this is; else user@host. `once`: an idempotency key; MadeBeforeError if something was made
        under it. Raises DefinitionError, JobExistsError.
        """
        self._edit("create", name, definition, self.act(Action.CREATE, by=by, job=name), once)
        return self.job(name)

    def update_job(
        self, name: str, definition: Mapping[str, Any], *, by: str | None = None, expected_generation: int | None = None
    ) -> StoredJob:
        """Replace the definition of a job that was declared at run time, as an edit of a file would.

        `expected_generation`: of the job as you have read it (`StoredJob.generation`); JobChangedError if somebody has
        changed it since, whose change would be lost. Raises DefinitionError, UnknownJobError, and FileJobError for a job
        of a file.
        """
        act = self.act(Action.UPDATE, by=by, job=name)
        self._edit("update", name, definition, act, expected=expected_generation)
        return self.job(name)

    def delete_job(self, name: str, *, by: str | None = None, expected_generation: int | None = None) -> None:
        """Remove a job that was declared at run time: its waiting runs are cancelled, its history stays until it is pruned.

        `expected_generation`: as of `update_job`. Raises UnknownJobError, and FileJobError for a job of a file.
        """
        act = self.act(Action.REMOVE, by=by, job=name)
        self._edit("remove", name, None, act, expected=expected_generation)

    def _edit(
        self,
        action: Literal["create", "update", "remove"],
        name: str,
        definition: Mapping[str, Any] | None,
        act: Act,
        once: Once | None = None,
        expected: int | None = None,
    ) -> None:
        # Here: a program that only enqueues does not pay for the loader of files.
        from jobsched.config.entry import check_shared_limit, job_of
        from jobsched.sync.edit import Edit, apply_edit

        name = name_of_job(name)
        job = None if definition is None else job_of(self.namespace, name, definition)
        if job is not None and job.concurrency.key is not None:
            check_shared_limit(job, (stored.job for stored in self.jobs()))
        edit = Edit(namespace=self.namespace, name=name, action=action, job=job, expected=expected)
        if not apply_edit(self.store, edit, act, once):
            raise self._unknown(name)

    def _unknown(self, name: str) -> UnknownJobError:
        nearest = difflib.get_close_matches(name, [stored.job.name for stored in self.jobs()], 1)
        return UnknownJobError(self.namespace, name, nearest[0] if nearest else None)
