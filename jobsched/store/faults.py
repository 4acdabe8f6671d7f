"""Named points where a test may end the process, to prove that what is half done there is whole or absent afterwards."""

import os

# Asked in the life of each run, so read once.
_TESTING = os.environ.get("JOBSCHED_TESTING") == "1"


def fault_point(name: str) -> None:
    """End the process at once if a test asked for it here: JOBSCHED_FAULT=name with JOBSCHED_TESTING=1."""
    if _TESTING and os.environ.get("JOBSCHED_FAULT") == name:
        os._exit(9)
