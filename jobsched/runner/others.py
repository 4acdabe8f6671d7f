"""The other nodes, as they tell of themselves at each heartbeat."""

from collections.abc import Iterable

from jobsched.model.run import Claim
from jobsched.model.state import Node


def may_perform(nodes: Iterable[Node], claim: Claim) -> bool:
    """Whether a living node, other than the one that claimed this run, serves its queue and has not said that it lacks its handler.

    A node learns that it lacks a handler by trying: one that has had no thread free has not said so yet.
    """
    return any(
        node.alive
        and node.id != claim.node
        and claim.namespace in node.namespaces
        and claim.queue in node.info.get("queues", [claim.queue])
        and claim.handler not in node.info.get("unknown_handlers", ())
        for node in nodes
    )
