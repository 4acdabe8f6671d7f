"""What pytest finds of jobsched: the fixture `jobsched`. Nothing else is imported until a test asks for it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobsched.testing.sandbox import Sandbox


@pytest.fixture(name="jobsched")
def _sandbox() -> Iterator["Sandbox"]:
    """A jobsched of this test's own: `client`, `clock`, `load`, `enqueued`, `drain`, `run_for` (see docs/testing.md)."""
    from jobsched.testing.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Of a comparison that failed, lists of runs in a line a run: all their fields would hide what differs."""
    runs = sys.modules.get("jobsched.testing.runs")
    if runs is None or not isinstance(left, runs.Runs):
        return None
    return [f"a list of {len(left)} {op} {right!r}", *left.lines]
