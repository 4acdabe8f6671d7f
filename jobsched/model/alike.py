"""Runs that differ in nothing but their payload: what programs enqueue by the thousand, said once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, overload

from jobsched.model.run import NewRun


class RunsAlike(Sequence[NewRun]):
    """All of them, in their order; at least one. Whoever knows what it is need not look at each.

    `first` is the first of them, `text` the JSON of the list of their payloads, each of which has been looked at.
    """

    __slots__ = ("_payloads", "first", "text")

    def __init__(self, first: NewRun, payloads: Sequence[Mapping[str, Any]], text: str) -> None:
        self.first, self._payloads, self.text = first, payloads, text

    def __len__(self) -> int:
        return len(self._payloads)

    def __iter__(self) -> Iterator[NewRun]:
        return (self.first._replace(payload=payload) for payload in self._payloads)

    @overload
    def __getitem__(self, index: int) -> NewRun: ...
    @overload
    def __getitem__(self, index: slice) -> list[NewRun]: ...
    def __getitem__(self, index: int | slice) -> NewRun | list[NewRun]:
        if isinstance(index, slice):
            return [self.first._replace(payload=payload) for payload in self._payloads[index]]
        return self.first._replace(payload=self._payloads[index])

    def in_trace(self, trace: str) -> Self:
        return type(self)(self.first._replace(trace=trace), self._payloads, self.text)


def kinds(runs: Sequence[NewRun]) -> Sequence[NewRun]:
    """One of each kind, for a question that payloads have no part in."""
    # Not isinstance, which asks Python code whether something else counts as one: nothing does.
    return (runs.first,) if type(runs) is RunsAlike else runs
