"""What a metric is, and a value of it: no library is needed to measure."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


# Equal to itself alone: it is looked up at each event, and to hash all its texts would be most of the work.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """A name with its meaning. Base units (seconds, bytes) stand in the name; a counter's ends in `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  #: upper bounds of a histogram's, without infinity


class Distribution:
    """What a histogram has seen. Not thread-safe."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.sum = bounds, 0.0
        #: Of each bucket by itself; the last one is of what is above all bounds.
        self.counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def copy(self) -> "Distribution":
        """As it is now."""
        found = Distribution(self.bounds)
        found.counts, found.sum = list(self.counts), self.sum
        return found


#: From a header Accept to the text of a scrape, and its content type.
Scrape = Callable[[str], tuple[bytes, str]]


class Sample(NamedTuple):
    """A value of a metric, with a value for each of its labels."""

    metric: Metric
    labels: tuple[str, ...]
    value: "float | Distribution"
