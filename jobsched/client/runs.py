"""What a client asks of runs: which there are."""

from collections.abc import Sequence
from datetime import datetime

from jobsched.client.opened import Opened
from jobsched.errors import UnknownRunError
from jobsched.model.instants import as_utc
from jobsched.model.run import Glance, Lack, Run, RunFilter, RunState

_LARGEST_ID = 2**63 - 1
_NOT_SKIPPED = tuple(state for state in RunState if state is not RunState.SKIPPED)


class Runs(Opened):
    """The runs that are stored."""

    def run(self, run_id: int) -> Run:
        """One run. Raises UnknownRunError."""
        found = self.store.run(run_id) if 0 <= run_id <= _LARGEST_ID else None
        if found is None:
            raise UnknownRunError(run_id)
        return found

    def runs_of(self, run_ids: Sequence[int]) -> list[Run]:
        """These runs, in the order given; those that do not exist, or not any more, are left out. Some thousands at most."""
        found = {run.id: run for run in self.store.runs(RunFilter(ids=tuple(set(run_ids)), limit=len(run_ids)))}
        return [found[run_id] for run_id in run_ids if run_id in found]

    def lacks(self, run_id: int) -> list[Lack]:
        """What a blocked run waits for; nothing if it is about to be let in, nor of any other run."""
        return self.store.lacks(run_id)

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
        wanted = RunFilter(
            namespace=namespace or self.namespace,
            job=job,
            handler=handler,
            queue=queue,
            tag=tag,
            batch=batch,
            states=tuple(map(_state, states if state is None else (*states, state))),
            since=as_utc(since) if since else None,
            before_id=before_id,
            limit=limit,
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
        return self.store.recent_runs(self.namespace, names, count)


def _state(word: str) -> RunState:
    try:
        return RunState(word)
    except ValueError:
        raise ValueError(f"{word!r} is no state of a run; there are {', '.join(RunState)}") from None
