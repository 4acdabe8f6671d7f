"""From samples to the text that Prometheus reads; the only place that knows prometheus_client."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from jobsched.errors import MissingExtraError
from jobsched.observe.metrics.declared import METRICS
from jobsched.observe.metrics.metric import Distribution, Metric, Sample

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family
    from prometheus_client.registry import Collector

#: Something that tells of itself whenever it is asked.
Source = Callable[[], Iterable[Sample]]


class Exposition:
    """The text of a scrape, of all its sources. Thread-safe, as far as they are. Raises MissingExtraError when it is made."""

    def __init__(self, *sources: Source, beside: "Sequence[Collector]" = ()) -> None:
        """`beside`: collectors of prometheus_client whose metrics stand below ours."""
        _require()
        self._sources, self._beside = sources, beside

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """The text, and its content type; `accept` is the header of whoever asks."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self), content_type

    def collect(self) -> "Iterator[Family]":
        """As a collector of prometheus_client: a program may register it with a registry of its own."""
        found: dict[Metric, list[Sample]] = {metric: [] for metric in METRICS}
        for source in self._sources:
            for sample in source():
                found[sample.metric].append(sample)
        yield from (_family(metric, samples) for metric, samples in found.items() if samples)
        for collector in self._beside:
            yield from collector.collect()


def whole_process() -> "Collector":
    """What prometheus_client knows of this process, with the metrics of handlers that use it. Raises MissingExtraError."""
    _require()
    from prometheus_client import REGISTRY

    return REGISTRY


def _require() -> None:
    try:
        import prometheus_client  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("metrics", "prometheus_client", "metrics") from None


def _family(metric: Metric, samples: Iterable[Sample]) -> "Family":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for _, labels, value in samples:
            if isinstance(value, Distribution):
                histogram.add_metric(labels, list(_buckets(value)), value.sum)
        return histogram
    of_kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = of_kind(metric.name, metric.help, labels=metric.labels)
    for _, labels, value in samples:
        if not isinstance(value, Distribution):
            family.add_metric(labels, float(value))
    return family


def _buckets(distribution: Distribution) -> Iterator[tuple[str, float]]:
    """Each with all that is below it, as the format has it."""
    total = 0
    for bound, count in zip((*distribution.bounds, float("inf")), distribution.counts, strict=True):
        total += count
        yield "+Inf" if bound == float("inf") else str(float(bound)), total
