"""Plain slots: one run of one job, to be performed, with nothing that excludes others. Most that is fired is of this kind.

If nothing is unfinished under its key, which an adapter asks as it inserts, there is nothing to count and nothing to decide.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from jobsched.model.run import NewRun, Source
from jobsched.model.state import Firing

#: Thousands of larger ones than this are better not held in memory before their time.
_SMALL = 10_000
_NOTHING_MORE = (None,) * 7


def plain_run(firing: Firing) -> NewRun | None:
    """The run of a firing that makes a plain one; None: there is more to it."""
    if len(firing.runs) != 1:
        return None
    run = firing.runs[0]
    if run.replaces:
        return None
    more = (run.skipped, run.covers, run.unique_key, run.unique_for, run.timeout, run.batch, run.trace)
    is_plain = run.source is Source.SLOT and run.job == firing.job and run.scheduled_at is not None
    return run if is_plain and more == _NOTHING_MORE else None


def is_small(texts: Iterable[str]) -> bool:
    """Whether what was made of a firing may be kept until it is fired."""
    return sum(map(len, texts)) <= _SMALL


def counted_key(firing: Firing) -> str | None:
    """The key that the runs of a firing are counted by, all of the same, since they are of one job."""
    return next((run.key for run in firing.runs if run.skipped is None), None)


def without_rivals(keys: Sequence[tuple[str, str | None]]) -> list[bool]:
    """Of which firings, by their namespaces and counted keys, no other has the same. Those that share one have to be counted:
    each would find it free.
    """
    if len(set(keys)) == len(keys):
        return [True] * len(keys)
    times = Counter(keys)
    return [key is None or times[namespace, key] == 1 for namespace, key in keys]
