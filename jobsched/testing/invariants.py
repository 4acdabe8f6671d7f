"""What must hold whatever happens to nodes and databases, asked of what is on record when it is over."""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jobsched.model.run import Run, RunState
from jobsched.testing.journal import Entry, result_of

#: A node may say so many things that are about no run within so long; more is a loop that spins.
MOST_LINES, WITHIN = 60, timedelta(seconds=10)

_ENDINGS = frozenset({"run_succeeded", "run_failed", "run_cancelled"})


@dataclass(frozen=True, kw_only=True)
class Record:
    """All that is known when a test is over. What is left out is not asked about."""

    runs: Sequence[Run]
    journal: Sequence[Entry] = ()
    acknowledged: Collection[int] = ()  #: runs whose making was confirmed
    requeued: Sequence[int] = ()  #: a run as often as it was
    limits: Mapping[str, int] = field(default_factory=dict)  #: of jobs, over all nodes
    slots: Mapping[str, Sequence[datetime]] = field(default_factory=dict)  #: that the schedules of jobs demanded
    logs: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  #: of nodes, as `--log-format json`
    alive: Collection[int] = ()  #: nodes that go on, and may own runs


def violations(record: Record) -> list[str]:
    """A sentence for each thing that must not be; none if all held."""
    rules = (lost, doubled, unaccounted, begun_too_often, beyond_limit, unended, foreign_results, ended_twice, spinning)
    return [sentence for rule in rules for sentence in rule(record)]


def lost(record: Record) -> Iterator[str]:
    """Nothing acknowledged is lost."""
    for run in sorted(set(record.acknowledged) - {run.id for run in record.runs}):
        yield f"run {run} was acknowledged and is lost"


def doubled(record: Record) -> Iterator[str]:
    """At most one run per slot."""
    rows = Counter((run.namespace, run.job, run.scheduled_at) for run in record.runs if run.scheduled_at)
    for (_, job, slot), count in rows.items():
        if count > 1:
            yield f"slot {slot} of {job} has {count} rows"


def unaccounted(record: Record) -> Iterator[str]:
    """No slot is lost in silence: each has a row, of its own or one that covers it."""
    rows = defaultdict(list)
    for run in record.runs:
        rows[run.job].append(run)
    for job, slots in record.slots.items():
        own = {run.scheduled_at for run in rows[job] if run.covers is None}
        covers = [run.covers for run in rows[job] if run.covers is not None]
        for slot in slots:
            if slot not in own and not any(cover.first <= slot <= cover.last for cover in covers):
                yield f"slot {slot} of {job} has no row"


def begun_too_often(record: Record) -> Iterator[str]:
    """Starts are at most 1 + takeovers + retries: each has its number, and all but the last left an error."""
    runs = {run.id: run for run in record.runs}
    for run in record.runs:
        if run.attempt > 1 + len(run.error):
            yield f"run {run.id} is at attempt {run.attempt}, and only {len(run.error)} have failed or were lost"
    ended: set[tuple[int, int]] = set()
    for entry in record.journal:
        attempt = (entry.run, entry.attempt)
        # One that was interrupted, or died with its node before it began, may be given back without counting.
        if entry.what in {"begins", "ends"} and attempt in ended:
            yield f"attempt {entry.attempt} of run {entry.run} {entry.what} though it had ended"
        if entry.what == "ends":
            ended.add(attempt)
        elif entry.what == "interrupted":
            ended.discard(attempt)
    for number, attempts in ended:
        if number in runs and attempts > runs[number].attempt:
            yield f"run {number} is at attempt {runs[number].attempt}, and attempt {attempts} was performed"


def beyond_limit(record: Record) -> Iterator[str]:
    """Never more runs of a job than its limit under way: begun, not ended, on a node that may have its lease."""
    job_of = {run.id: run.job for run in record.runs}
    under_way: dict[int, Entry] = {}
    newest: Counter[int] = Counter()
    for entry in record.journal:
        if entry.what == "gone":
            under_way = {run: begun for run, begun in under_way.items() if begun.pid != entry.pid}
        elif entry.what != "begins":
            # An earlier attempt that ends late has lost its place to the one that was begun since.
            begun = under_way.get(entry.run)
            if begun is not None and (begun.pid, begun.attempt) == (entry.pid, entry.attempt):
                del under_way[entry.run]
        elif entry.attempt >= newest[entry.run]:  # else a node that slept begins what others have taken over
            under_way[entry.run], newest[entry.run] = entry, entry.attempt
            job = job_of.get(entry.run)
            at_once = sorted(run for run in under_way if job_of.get(run) == job)
            if job is not None and len(at_once) > record.limits.get(job, len(at_once)):
                yield f"runs {at_once} of {job} were under way at once, and its limit is {record.limits[job]}"


def unended(record: Record) -> Iterator[str]:
    """In the end every run is final, or owned by a node that lives."""
    for run in record.runs:
        if not run.state.final and not (run.state is RunState.RUNNING and run.node in record.alive):
            owner = f" on node {run.node}, which is dead" if run.node is not None else ""
            yield f"run {run.id} of {run.job} is {run.state}{owner}"


def foreign_results(record: Record) -> Iterator[str]:
    """A result is that of the last attempt, never of one that lost its lease."""
    journalled = {entry.run for entry in record.journal}
    for run in record.runs:
        if run.state is RunState.SUCCEEDED and run.id in journalled and run.result != result_of(run.id, run.attempt):
            yield f"run {run.id} ended with attempt {run.attempt}, and its result is {run.result!r}"


def ended_twice(record: Record) -> Iterator[str]:
    """No run is finished twice: of its ends, over all nodes, the store has accepted one."""
    ends = Counter(line["run"] for lines in record.logs.values() for line in lines if line.get("event") in _ENDINGS)
    requeued = Counter(record.requeued)
    for run, count in ends.items():
        if count > 1 + requeued[run]:
            yield f"run {run} ended {count} times"


def spinning(record: Record) -> Iterator[str]:
    """No node's log spins."""
    for node, lines in record.logs.items():
        recent: deque[datetime] = deque()
        for line in lines:
            if "run" in line:
                continue
            recent.append(datetime.fromisoformat(line["at"]))
            while recent[-1] - recent[0] > WITHIN:
                recent.popleft()
            if len(recent) > MOST_LINES:
                yield f"{node} said {len(recent)} things within {WITHIN}, the last of them {line['message']!r}"
                break
