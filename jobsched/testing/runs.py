"""Runs for a test to look at: what programs have enqueued, and lists that say in a line what they hold."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from jobsched.client import Client
from jobsched.model.options import declared_names
from jobsched.model.run import Run, RunFilter, RunState, Source

#: So much of a payload, a result or an error is shown of a run.
_SHOWN = 120
_MOST = 100_000


class Runs(list[Run]):
    """A list of runs, oldest first, whose text says what became of each: what a failed `assert` shows."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        super().__init__(runs)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """The arguments of each."""
        return [dict(run.payload) for run in self]

    @property
    def results(self) -> list[Any]:
        """What each has returned; None of those that did not succeed."""
        return [run.result for run in self]

    @property
    def states(self) -> list[str]:
        """`succeeded`, `pending` … of each."""
        return [str(run.state) for run in self]

    @property
    def lines(self) -> list[str]:
        """What became of each, for people."""
        return [_line(run) for run in self]

    def __repr__(self) -> str:
        return "[" + ", ".join(f"<{line}>" for line in self.lines) + "]"


def enqueued(
    client: Client, handler: str | Callable[..., Any] | None = None, *, job: str | None = None, queue: str | None = None
) -> Runs:
    """The runs that programs have made, by `enqueue` or `trigger`, whatever became of them; of this handler, job or queue alone.

    `handler`: its name, or a function with @handler. Slots are left out: nobody has enqueued them.
    """
    name = handler if handler is None or isinstance(handler, str) else declared_names.get(handler)
    if handler is not None and name is None:
        raise ValueError(f"{handler!r} is registered under no name: decorate it with @handler")
    wanted = RunFilter(namespace=client.namespace, handler=name, job=job, queue=queue, limit=_MOST)
    found = client.store.runs(wanted)
    return Runs(run for run in reversed(found) if run.source in (Source.ENQUEUE, Source.TRIGGER))


def _line(run: Run) -> str:
    name = run.handler if run.job is None else f"job {run.job}"
    return f"run {run.id} of {name} {_short(run.payload)}: {run.state}{_outcome(run)}"


def _outcome(run: Run) -> str:
    if run.state is RunState.SUCCEEDED:
        return "" if run.result is None else f", {_short(run.result)}"
    if run.error and run.state in (RunState.FAILED, RunState.SCHEDULED):
        last = run.error[-1]
        return f", {last.get('type')}: {_cut(str(last.get('message')))}"
    return "" if run.reason is None else f", {run.reason}"


def _short(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
