"""What pytest finds of jobsched: the fixture `jobsched`. Nothing else is imported until a test asks for it."""

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
