"""What the contract asks of a test module, from the URLs of its databases."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.clock import FakeClock


@pytest.fixture
def opened(clock: FakeClock) -> Iterator[Callable[[str], Store]]:
    """Opens stores by URL, all with the test's clock, and closes them in the end."""
    with ExitStack() as cleanup:

        def open_one(url: str) -> Store:
            store = open_store(url, clock=clock)
            cleanup.callback(store.close)
            return store

        yield open_one
