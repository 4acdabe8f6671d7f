"""`run --wait-for-db` waits until the node has begun: the database may be there, and gone again a moment later."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.cli.run_command import _started
from jobsched.errors import StoreUnavailableError


class Node:
    """Its start fails as often as it is told."""

    def __init__(self, *, failures: int) -> None:
        self.failures, self.begun = failures, False

    def start(self, _before_work: object) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the database is not available")
        self.begun = True


def started(node: Any, *, wait_for_db: bool, stopped: bool = False) -> bool:
    asked: Any = SimpleNamespace(wait_for_db=wait_for_db)
    signals: Any = SimpleNamespace(asked=stopped)
    return _started(node, asked, signals)


def test_a_database_that_goes_again_while_the_node_starts_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    node = Node(failures=1)

    assert started(node, wait_for_db=True)
    assert node.begun
    assert "waiting for the database" in caplog.text


def test_without_it_that_is_an_error() -> None:
    with pytest.raises(StoreUnavailableError):
        started(Node(failures=1), wait_for_db=False)


@pytest.mark.parametrize("wait_for_db", [True, False])
def test_a_signal_that_came_before_is_heeded(*, wait_for_db: bool) -> None:
    node = Node(failures=0)

    assert not started(node, wait_for_db=wait_for_db, stopped=True)
    assert not node.begun
