"""What a client asks of runs: which there are."""

from collections.abc import Sequence
from datetime import datetime

from jobsched.client.given import LARGEST_ID, as_limit, can_be_found, id_of_run, ids_of_runs, is_possible, names_of_jobs
from jobsched.client.opened import Opened
from jobsched.errors import UnknownRunError
from jobsched.model.instants import as_utc
from jobsched.model.run import Glance, Lack, Run, RunFilter, RunState

_NOT_SKIPPED = tuple(state for state in RunState if state is not RunState.SKIPPED)


class Runs(Opened):
    """The runs that are stored."""

    def run(self, run_id: int) -> Run:
        """One run. Raises UnknownRunError."""
        run_id = id_of_run(run_id)
        found = self.store.run(run_id) if is_possible(run_id) else None
        if found is None:
            raise UnknownRunError(run_id)
        return found

    def runs_of(self, run_ids: Sequence[int]) -> list[Run]:
        """These runs, in the order given; those that do not exist, or not any more, are left out. Some thousands at most."""
        asked = ids_of_runs(run_ids)
        possible = tuple({run_id for run_id in asked if is_possible(run_id)})
        found = {run.id: run for run in self.store.runs(RunFilter(ids=possible, limit=len(possible)))}
        return [found[run_id] for run_id in asked if run_id in found]

    def lacks(self, run_id: int) -> list[Lack]:
        """What a blocked run waits for; nothing if it is about to be let in, nor of any other run."""
        run_id = id_of_run(run_id)
        return self.store.lacks(run_id) if is_possible(run_id) else []

    def runs(
        self,
        *,
        namespace: str | None = None,
        job: str | None = None,
        handler: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        batch: str | None = None,
        state: str | None = None,
        states: Sequence[str] = (),
        since: datetime | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Runs, newest first. `before_id` continues a list after its last id, whatever was made meanwhile.

        `state`: this one alone, `states`: any of these; as a `RunState` or its word, else ValueError. `tag`: one of those
        that they have; a job's runs have the tags that it had when they were made.
        """
        if isinstance(states, str):
            raise ValueError(f"states={states!r}: give a list of them, or one as state={states!r}")  # noqa: TRY004 - as a wrong word
        if not can_be_found(namespace=namespace, job=job, handler=handler, queue=queue, tag=tag, batch=batch):
            return []
        wanted = RunFilter(
            namespace=namespace or self.namespace,
            job=job,
            handler=handler,
            queue=queue,
            tag=tag,
            batch=batch,
            states=tuple(map(_state, states if state is None else (*states, state))),
            since=as_utc(since) if since else None,
            before_id=None if before_id is None else max(0, min(id_of_run(before_id), LARGEST_ID)),
            limit=as_limit(limit),
        )
        return self.store.runs(wanted)

    def failure_runs(self, run_ids: Sequence[int]) -> list[Run]:
        """The runs that `on_failure` made of the failures of these, newest first; which of them is `payload["id"]`."""
        if not run_ids:
            return []
        return self.store.runs(RunFilter(failures_of=tuple(run_ids), limit=10 * len(run_ids)))

    def last_runs(self) -> dict[str, Run]:
        """The newest run of each job that has one; skipped ones do not count."""
        return self.store.last_runs(self.namespace)

    def last_run(self, name: str) -> Run | None:
        """The newest run of a job; skipped ones do not count."""
        return next(iter(self.runs(job=name, states=_NOT_SKIPPED, limit=1)), None)

    def recent_runs(self, names: Sequence[str], count: int = 30) -> dict[str, list[Glance]]:
        """The newest runs of each of these jobs that has one, newest first, without what may be large; skipped ones too."""
        return self.store.recent_runs(self.namespace, names_of_jobs(names), count)


def _state(word: str) -> RunState:
    try:
        return RunState(word)
    except ValueError:
        raise ValueError(f"{word!r} is no state of a run; there are {', '.join(RunState)}") from None
