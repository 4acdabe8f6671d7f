"""How many examples a property is tried with: some in each test run, which are others each time, and many on demand."""

import os

THOROUGH = os.environ.get("JOBSCHED_TEST_THOROUGH") == "1"


def examples(some: int, many: int) -> int:
    """`many` with JOBSCHED_TEST_THOROUGH=1, as `make test-all` has it."""
    return many if THOROUGH else some
