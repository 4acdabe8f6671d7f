"""How a node is at the moment of a scrape, as samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobsched.observe.metrics import declared
from jobsched.observe.metrics.metric import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """What is to be told of a node. `config_ok` and `config_stale`: None of a node without files."""

    node_id: int
    host: str
    version: str
    threads: int
    running: int
    buffered: int
    unwritten: int
    abandoned: int
    config_ok: bool | None
    config_stale: bool | None
    generations: Mapping[str, int | None]
    skew_seconds: float
    heartbeat_age_seconds: float


def samples(node: NodeReading) -> Iterator[Sample]:
    yield Sample(declared.NODE_INFO, (str(node.node_id), node.host, node.version), 1)
    yield Sample(declared.NODE_THREADS, (), node.threads)
    yield Sample(declared.NODE_RUNNING, (), node.running)
    yield Sample(declared.NODE_BUFFERED, (), node.buffered)
    yield Sample(declared.NODE_UNWRITTEN, (), node.unwritten)
    yield Sample(declared.NODE_ABANDONED, (), node.abandoned)
    if node.config_ok is not None:
        yield Sample(declared.NODE_CONFIG_OK, (), node.config_ok)
    if node.config_stale is not None:
        yield Sample(declared.NODE_CONFIG_STALE, (), node.config_stale)
    for namespace, number in node.generations.items():
        yield Sample(declared.NODE_GENERATION, (namespace,), number or 0)
    yield Sample(declared.NODE_SKEW, (), node.skew_seconds)
    yield Sample(declared.NODE_HEARTBEAT_AGE, (), node.heartbeat_age_seconds)
