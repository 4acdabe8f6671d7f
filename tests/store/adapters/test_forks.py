"""A process that forks with a store open, as servers do that fork their workers: parent and child each go on by themselves."""

import subprocess
import sys

#: Registered first, so called last before the fork: another thread takes the locks of all pools, and keeps them in the child.
BUSY = """
import os, sys, threading, warnings

warnings.simplefilter("ignore")  # that the process has threads is the point
taken, never = threading.Event(), threading.Event()

def take():
    from contextlib import ExitStack
    from sqlalchemy.pool import QueuePool
    import gc
    with ExitStack() as locks:
        for pool in [each for each in gc.get_objects() if isinstance(each, QueuePool)]:
            locks.enter_context(pool._pool.mutex)
        taken.set()
        never.wait(1)

def busy():
    threading.Thread(target=take, daemon=True).start()
    taken.wait()

os.register_at_fork(before=busy)
"""
FORK = """
import os, signal, sys
from jobsched import Client

client = Client(sys.argv[1])
client.enqueue("before")
doorbell = client.store.listen(lambda topic: None)
child = os.fork()
if child == 0:
    signal.alarm(30)
    client.enqueue("child")
    client.runs()
    client.close()
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
client.enqueue("after")
print(status, sorted(run.handler for run in client.runs()))
os._exit(0)
"""
#: The parent closes its connections while the child goes on; SQLite then clears away what nobody else holds a lock on.
OUTLIVED = """
import os, signal, sys
from jobsched import Client

client = Client(sys.argv[1])
client.enqueue("before")
told, tell = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(30)
    client.enqueue("child")
    os.read(told, 1)
    client.enqueue("child, later")
    os._exit(0)
client.runs()
client.close()
os.write(tell, b".")
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with Client(sys.argv[1]) as again:
    print(status, sorted(run.handler for run in again.runs()))
"""


def said(program: str, url: str) -> str:
    command = [sys.executable, "-c", program, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_a_forked_child_waits_for_no_lock_that_another_thread_of_its_parent_held(database_url: str) -> None:
    assert said(BUSY + FORK, database_url) == "0 ['after', 'before', 'child']"


def test_what_a_forked_child_writes_outlives_its_parents_connections(database_url: str) -> None:
    assert said(OUTLIVED, database_url) == "0 ['before', 'child', 'child, later']"
