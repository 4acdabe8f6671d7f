"""Batches as one JSON parameter each, in the shape that the statements' recordsets read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from jobsched.model.definition import stored_definition
from jobsched.model.run import LogLine, NewRun, Transition
from jobsched.model.state import Firing, JobWrite
from jobsched_sql.alike import Alike, WellAlike, alike
from jobsched_sql.dialect import Key, Placed
from jobsched_sql.plain_slots import counted_key, plain_run
from jobsched_sql.texts import clean, encode, encode_anyhow, tags_text
from jobsched_sql.types import to_millis

_encoder = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":"))


def batch(records: Iterable[Mapping[str, Any]]) -> str:
    """What is not there is NULL."""
    return _encoder.encode(list(records))


@lru_cache(maxsize=1024)  # those of one batch are few, and each stands in it many times
def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def runs(placed: Sequence[Placed]) -> str:
    return batch(map(_alike, alike(placed)))


def _alike(some: Alike) -> dict[str, Any]:
    one = some.first
    run = one.run
    record: dict[str, Any] = {
        "position": some.position,
        "namespace": run.namespace,
        "handler": clean(run.handler),
        "source": run.source.value,
        "queue": clean(run.queue),
        "priority": run.priority,
        "max_attempts": run.max_attempts,
        "payloads": some.payloads,
        "job": run.job,
        "state": None if one.state is None else one.state.value,
        "reason": None if one.reason is None else one.reason.value,
        "scheduled_at": _instant(run.scheduled_at),
        "available_at": _instant(run.available_at),
        "start_by": _instant(run.start_by),
        "generation": run.generation,
        "concurrency_key": run.key,
        "unique_key": run.unique_key,
    }
    if run.covers is not None:
        record["covers_first"] = _instant(run.covers.first)
        record["covers_last"] = _instant(run.covers.last)
        record["covers_count"] = run.covers.count
    if run.timeout is not None:
        record["timeout_ms"] = to_millis(run.timeout)
    if run.unique_for is not None:
        record["unique_for_ms"] = to_millis(run.unique_for)
    if run.tags:
        record["tags"] = tags_text(run.tags)
    if run.batch is not None:
        record["batch"] = run.batch
    if run.trace is not None:
        record["trace"] = run.trace
    return record


def runs_alone(runs: Sequence[NewRun]) -> tuple[str, str]:
    """Records of runs that are alike, and beside them their payloads: a list for each record, as the JSON that they are."""
    each = list(alike([Placed(run, None) for run in runs]))
    payloads = ",".join(f"[{','.join(some.payloads)}]" for some in each)
    records = [
        {name: value for name, value in record_alone(some.first.run).items() if value is not None} for some in each
    ]
    return batch(records), f"[{payloads}]"


def record_alone(run: NewRun) -> dict[str, Any]:
    """What is said of a run of a known queue beside its payload."""
    return {
        "job": run.job,
        "handler": clean(run.handler),
        "source": run.source.value,
        "priority": run.priority,
        "max_attempts": run.max_attempts,
        "available_at": _instant(run.available_at),
        "start_by": _instant(run.start_by),
        "generation": run.generation,
        "timeout_ms": None if run.timeout is None else to_millis(run.timeout),
        "tags": tags_text(run.tags) if run.tags else None,
        "batch": run.batch,
        "trace": run.trace,
    }


def run_alone(run: NewRun, now: datetime | None, *, ring: bool, however_many: bool) -> tuple[str | None, ...]:
    """One run, and what the statement needs beside it: its parameters as text, in their order."""
    return (
        _instant(now),
        "t" if ring else "f",
        run.namespace,
        clean(run.queue),
        run.job,
        clean(run.handler),
        run.source.value,
        str(run.priority),
        _instant(run.available_at),
        str(run.max_attempts),
        _instant(run.start_by),
        None if run.generation is None else str(run.generation),
        encode(run.payload),
        None if run.timeout is None else str(to_millis(run.timeout)),
        tags_text(run.tags) if run.tags else None,
        run.batch,
        run.trace,
        "t" if however_many else "f",
    )


def slots(runs: Sequence[NewRun]) -> str:
    return batch(
        {"namespace": run.namespace, "job": run.job, "scheduled_at": _instant(run.scheduled_at)} for run in runs
    )


def keys(wanted: Iterable[Key]) -> str:
    return batch({"namespace": key.namespace, "key": key.key} for key in wanted)


def numbered_keys(numbers: Mapping[Key, int], number: str) -> str:
    """Keys, each with a number of this name."""
    return batch({"namespace": key.namespace, "key": key.key, number: value} for key, value in numbers.items())


#: The columns of a firing, and behind them those of its run, if that is a plain one.
_FIRING = (
    "namespace",
    "job",
    "seen_cursor",
    "schedule_revision",
    "revision",
    "cursor_at",
    "next_at",
    "concurrency_key",
)
_PLAIN = (
    "handler",
    "queue",
    "priority",
    "max_attempts",
    "scheduled_at",
    "available_at",
    "start_by",
    "generation",
    "payload",
    "tags",
)


def firing(one: Firing) -> tuple[str, ...]:
    """It as elements of arrays, a column each."""
    seen = (_instant(one.seen_cursor), one.schedule_revision, one.revision)
    moved = (_instant(one.cursor), _instant(one.next_at))
    return tuple(map(_element, (one.namespace, one.job, *seen, *moved, counted_key(one), *_plain(one))))


def _plain(one: Firing) -> tuple[str | int | None, ...]:
    run = plain_run(one)
    if run is None:
        return (None,) * len(_PLAIN)
    return (
        clean(run.handler),
        clean(run.queue),
        run.priority,
        run.max_attempts,
        _instant(run.scheduled_at),
        _instant(run.available_at),
        _instant(run.start_by),
        run.generation,
        encode(run.payload),
        tags_text(run.tags) if run.tags else None,
    )


def _element(value: str | int | None) -> str:
    """As it stands in an array's text."""
    if value is None:
        return "NULL"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def as_text(value: object) -> str | None:
    """A parameter as the server reads it; a list as an array."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, list):
        return "{" + ",".join(str(each) if isinstance(each, int) else _element(each) for each in value) + "}"
    return str(value)


def firings(each: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """An array for each column."""
    columns = zip(*each, strict=True)
    return {name: "{" + ",".join(column) + "}" for name, column in zip(_FIRING + _PLAIN, columns, strict=True)}


def jobs(writes: Sequence[JobWrite]) -> str:
    return batch(
        {
            "name": write.job.name,
            "definition": encode(stored_definition(write.job)),
            "revision": write.revision,
            "schedule_revision": write.schedule_revision,
            "cursor_at": _instant(write.cursor),
            "next_at": _instant(write.next_at),
            "origin": write.origin.value,
        }
        for write in writes
    )


def well(some: WellAlike) -> dict[str, Any]:
    """Each is looked up by its id."""
    ids = "{" + ",".join([str(id_) for id_ in some.ids]) + "}"
    return {
        "ids": ids,
        "node": some.node,
        "claim_no": some.claim_no,
        "attempt": some.attempt,
        "losses": some.losses,
    }


def transitions(wanted: Sequence[Transition]) -> str:
    return batch(_transition(one) for one in wanted)


def _transition(one: Transition) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": one.id,
        "node": one.node,
        "claim_no": one.claim_no,
        "state": one.state.value,
        "attempt": one.attempt,
        "losses": one.losses,
    }
    if one.reason is not None:
        record["reason"] = one.reason.value
    if one.max_attempts is not None:
        record["max_attempts"] = one.max_attempts
    if one.result is not None:
        record["result"] = encode_anyhow(one.result)
    if one.error is not None:
        record["error"] = encode_anyhow(one.error)
    if one.available_at is not None:
        record["available_at"] = _instant(one.available_at)
    if one.abandoned:
        record["abandoned"] = True
    return record


def log_lines(lines: Sequence[LogLine]) -> str:
    return batch(
        {
            "run_id": line.run_id,
            "attempt": line.attempt,
            "seq": line.seq,
            "at": _instant(line.at),
            "stream": clean(line.stream),
            "text": clean(line.text),
        }
        for line in lines
    )
