"""Jobs that share a concurrency key must agree on its limit."""

from collections.abc import Iterator, Mapping

from jobsched.config.messages import Finding
from jobsched.model.job import Job


def disagreements(jobs: Mapping[str, Job]) -> Iterator[tuple[str, Finding]]:
    """(job, what is wrong with it), for each whose limit is not that of the first job with its key."""
    # Its own key is a job's alone, unless another names it.
    first = {job.concurrency_key: job for job in jobs.values() if job.concurrency.key is None}
    for name, job in jobs.items():
        key = job.concurrency_key
        if key is None or job.concurrency.key is None:
            continue
        other = first.setdefault(key, job)
        if other.concurrency.limit != job.concurrency.limit:
            message = (
                f"key {key!r} has limit {job.concurrency.limit} here and {other.concurrency.limit} in job {other.name}"
            )
            yield name, Finding(("concurrency", "limit"), message, "jobs that share a key share its limit", of_key=True)
