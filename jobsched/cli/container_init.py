"""The first process of a container: it reaps what nobody waits for, passes signals on to the node, and ends as it does."""

import os
import signal
import sys


def split_from_init() -> None:
    """As process 1, fork: the child returns from here and is the node. Elsewhere nothing. Call it before any thread starts.

    The kernel gives orphans to process 1. A node that reaped them itself could not tell them from what its commands and
    handlers have started, whose exit codes it would take away.
    """
    if os.getpid() != 1:
        return
    sys.stdout.flush()
    # What is sent to a container is meant for the node in it.
    passed_on = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
    heeded = passed_on | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heeded)
    node = os.fork()
    if node == 0:
        # Not of our process group: Ctrl-C on a terminal would come twice, and mean "at once".
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(heeded)
        if number == signal.SIGCHLD:
            _reap(node)
        else:
            os.kill(node, number)


def _reap(node: int) -> None:
    """All that have ended; ends this process if the node has, and with it whatever is left in the container."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == node:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if pid == 0:
            return
