"""Jobs that share a concurrency key must agree on its limit."""

from collections.abc import Iterator, Mapping

from jobsched.config.messages import Finding
from jobsched.model.job import Concurrency


def disagreements(jobs: Mapping[str, Concurrency]) -> Iterator[tuple[str, Finding]]:
    """(job, what is wrong with it), for each whose limit is not that of the first job with its key."""
    # Its own key is a job's alone, unless another names it.
    first = {concurrency.declared_key(name): name for name, concurrency in jobs.items() if concurrency.key is None}
    for name, concurrency in jobs.items():
        key = concurrency.declared_key(name)
        if key is None or concurrency.key is None:
            continue
        other = first.setdefault(key, name)
        if jobs[other].limit != concurrency.limit:
            message = f"key {key!r} has limit {concurrency.limit} here and {jobs[other].limit} in job {other}"
            yield name, Finding(("concurrency", "limit"), message, "jobs that share a key share its limit", of_key=True)
