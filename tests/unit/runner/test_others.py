"""What other nodes tell of themselves decides whether a run that this one cannot perform is left to them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsched.model.state import Node
from jobsched.runner.held import Held
from jobsched.runner.others import may_perform

AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_node(number: int = 2, *, alive: bool = True, namespace: str = "default", **info: Any) -> Node:
    return Node(
        id=number,
        host="there",
        pid=1,
        version="1",
        started_at=AT,
        heartbeat_at=AT,
        alive=alive,
        namespaces=(namespace,),
        info=info,
    )


@pytest.mark.parametrize(
    ("nodes", "may"),
    [
        ([], False),
        ([a_node()], True),
        ([a_node(1)], False),
        ([a_node(alive=False)], False),
        ([a_node(namespace="elsewhere")], False),
        ([a_node(queues=["mail"])], False),
        ([a_node(queues=["default"])], True),
        ([a_node(unknown_handlers=["h"])], False),
        ([a_node(unknown_handlers=["other"])], True),
        ([a_node(unknown_handlers=["h"]), a_node(3)], True),
    ],
    ids=["alone", "another", "itself", "dead", "elsewhere", "other queue", "its queue", "lacks it", "lacks another", "one of two"],
)  # fmt: skip
def test_a_run_may_be_anothers(nodes: list[Node], may: bool, a_held: Callable[..., Held]) -> None:
    assert may_perform(nodes, a_held().claim) is may
