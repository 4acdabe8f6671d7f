"""A store as it is after months: ten thousand jobs, a million runs; made by the database itself in a minute."""

from pathlib import Path

from benchmarks.databases import execute
from benchmarks.rows.files import write_jobs

from jobsched.client import Client
from jobsched.config.load import load
from jobsched.sync.apply import sync

#: Of every hundred runs of jobs: five failed, one was skipped, the rest succeeded.
_STATES = "case when n % 100 < 5 then 'failed' when n % 100 = 5 then 'skipped' else 'succeeded' end"
_REASONS = "case when n % 100 < 5 then 'error' when n % 100 = 5 then 'overlap' end"
_ERROR = """[{"attempt": 1, "type": "ConnectionError", "message": "the other side has hung up"}]"""
_COLUMNS = (
    "namespace, job, handler, source, queue, priority, state, reason, attempt, max_attempts, scheduled_at, "
    "available_at, started_at, finished_at, node, generation, payload, error, created_at"
)
_OF_JOBS = """
with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < {rows} - 1),
  made as (select n, {jobs} as jobs, {ago} as at from numbers)
insert into jobsched_runs ({columns})
select 'default', 'job-' || {padded}, 'work.jobs:task_' || n % 50, 'slot', 'default', 0, {states}, {reasons},
  case when n % 100 = 5 then 0 else 1 end, 4, at, at,
  case when n % 100 <> 5 then at + {second} * 0.2 end, at + {second} * (1 + n % 7), null, 1, '{{"number": 1}}',
  case when n % 100 < 5 then '{error}'{json} end, at
from made
"""
_AD_HOC = """
with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < {rows} - 1),
  made as (select n, {ago} as at from numbers)
insert into jobsched_runs ({columns})
select 'default', null, 'mail.send', 'enqueue', 'mail', 0, {states}, {reasons},
  1, 4, null, at, at + {second} * 0.1, at + {second} * 0.4, null, 1, '{{"to": "x"}}',
  case when n % 100 < 5 then '{error}'{json} end, at
from made
"""
_WAITING = """
with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < {rows} - 1)
insert into jobsched_runs ({columns})
select 'default', null, 'mail.send', 'enqueue', 'queue-' || n % 8, 0, '{state}', null, 0, 4, null,
  {now} {sign} n * {second}, null, null, null, null, '{{"to": "x"}}', null, {now} - {second} * 86400
from numbers
"""
_SQLITE = {
    "now": "cast(unixepoch() * 1000000 as integer)",
    "second": "1000000",
    "ago": "cast(unixepoch() * 1000000 - ({rows} - n) * {spacing} * 1000000 as integer)",
    "padded": "printf('%06d', n % jobs)",
    "json": "",
}
_POSTGRES = {
    "now": "now()",
    "second": "interval '1 second'",
    "ago": "now() - ({rows} - n) * {spacing} * interval '1 second'",
    "padded": "lpad((n % jobs)::text, 6, '0')",
    "json": "::json",
}


def fill(url: str, folder: Path, *, jobs: int = 10_000, runs: int = 1_000_000) -> None:
    """Nine tenths of the runs are of jobs, over ten days; a tenth is ad hoc, of the last day. Beside them what waits."""
    write_jobs(folder / "jobs.yaml", jobs)
    with Client(url) as client:
        client.store.migrate()
        sync(client.store, load([folder / "jobs.yaml"]), applied_by="bench")
    of_jobs, ad_hoc, waiting = runs * 9 // 10, runs // 10, runs // 100
    words = {"columns": _COLUMNS, "states": _STATES, "reasons": _REASONS, "error": _ERROR, "jobs": str(jobs)}
    words |= _SQLITE if url.startswith("sqlite") else _POSTGRES
    for statement, rows, seconds in ((_OF_JOBS, of_jobs, 864_000), (_AD_HOC, ad_hoc, 86_000)):
        ago = words["ago"].format(rows=rows, spacing=seconds / rows)
        execute(url, statement.format(**{**words, "ago": ago}, rows=rows))
    execute(url, _WAITING.format(**words, rows=waiting, state="pending", sign="-"))
    execute(url, _WAITING.format(**words, rows=waiting * 10, state="scheduled", sign="+"))
    # What autovacuum would do in its own time, and just while it is measured.
    execute(url, "analyze" if url.startswith("sqlite") else "vacuum analyze")
