"""A process that dies inside a transaction: what it was about is whole, or absent."""

import os
import subprocess
import sys
from contextlib import closing

from jobsched.model.run import RunState
from jobsched.store.open import open_store
from jobsched.testing.builders import a_job, a_node, a_run, claim, given_jobs, states

SYNC = """
import sys
from jobsched.store.open import open_store
from jobsched.testing.builders import a_change, a_job
jobs = [a_job(f"job-{number}") for number in range(50)]
open_store(sys.argv[1]).apply(a_change(*jobs, seen=1, removals=["nightly"]))
"""
FINISH = """
import sys
from jobsched.store.open import open_store
from jobsched.testing.builders import a_transition
store = open_store(sys.argv[1])
store.finish([a_transition(owned) for owned in store.owned(int(sys.argv[2]))])
"""


def die(program: str, fault: str, *arguments: str) -> int:
    environment = {**os.environ, "JOBSCHED_TESTING": "1", "JOBSCHED_FAULT": fault}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=False, env=environment).returncode


def test_a_sync_that_is_killed_changes_nothing(database_url: str) -> None:
    with closing(open_store(database_url)) as store:
        given_jobs(store, a_job("nightly"))

        code = die(SYNC, "mid_sync", database_url)

        actual = store.actual("default")
        assert code == 9
        assert set(actual.jobs) == {"nightly"}
        assert actual.generation is not None
        assert actual.generation.number == 1


def test_a_finish_that_is_killed_leaves_the_run_to_be_rescued(database_url: str) -> None:
    with closing(open_store(database_url)) as store:
        store.enqueue([a_run()])
        node = a_node(store)
        claim(store, node)

        code = die(FINISH, "before_finish_commit", database_url, str(node))

        assert code == 9
        assert states(store) == [RunState.RUNNING]
        assert len(store.owned(node)) == 1


def test_a_fault_point_does_nothing_outside_of_tests(database_url: str) -> None:
    program = "import os; os.environ.pop('JOBSCHED_TESTING')" + SYNC

    with closing(open_store(database_url)) as store:
        given_jobs(store, a_job("nightly"))

        code = die(program, "mid_sync", database_url)

        assert code == 0
        assert len(store.actual("default").jobs) == 50
