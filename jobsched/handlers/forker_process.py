"""What runs in the process that handlers are forked from: it imports their modules, forks, and tells how each ended.

It ends when the node does. Nothing but this runs in it, and in one thread, so that forking it is safe.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from jobsched.handlers import forked_handler
from jobsched.handlers.forker import NUMBER, PASSED, REQUESTS

#: What stops a node gently is not for this process: it ends after the node.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Until the node is gone."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    for module in json.loads(sys.argv[2]):
        # The node has imported it; whoever needs it says what is wrong when it is looked for.
        with suppress(Exception, SystemExit):
            importlib.import_module(module)
    gc.freeze()
    _Forking(socket.socket(fileno=REQUESTS)).serve()


class _Forking:
    """`_ends`: by the number of a child, the socket on which its end is told, and whether it has been."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._ends: dict[int, socket.socket] = {}
        self._untold: set[int] = set()

    def serve(self) -> None:
        woken, waking = os.pipe()
        for end in (woken, waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: _drain(woken))
        self._selector.register(self._requests, selectors.EVENT_READ, self._fork)
        while True:
            for key, _ in self._selector.select():
                act: Callable[[], None] = key.data
                act()
            self._tell_ends()

    def _fork(self) -> None:
        _, descriptors, *_ = socket.recv_fds(self._requests, 1, PASSED)
        if len(descriptors) != PASSED:
            os._exit(0)
        end = socket.socket(fileno=descriptors.pop())
        try:
            pid = os.fork()
        except OSError as error:
            end.send(NUMBER.pack(-(error.errno or 1)))
            end.close()
            pid = -1
        if pid == 0:
            self._become_handler(descriptors, end)
        for each in descriptors:
            os.close(each)
        if pid > 0:
            self._ends[pid] = end
            self._untold.add(pid)
            self._selector.register(end, selectors.EVENT_READ, lambda: self._let_go(pid))

    def _become_handler(self, descriptors: list[int], end: socket.socket) -> None:
        """In the child, which does not come back."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_IGNORED, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for other in self._ends.values():
                other.close()
            self._requests.close()
            os.setsid()
            # Only now: who knows the number may kill its group.
            end.send(NUMBER.pack(os.getpid()))
            end.close()
            forked_handler.main(*descriptors)
        except BaseException:  # noqa: BLE001 - it must not go on as a second forking process
            traceback.print_exc()
        finally:
            os._exit(1)

    def _tell_ends(self) -> None:
        for pid in list(self._untold):
            exit_code = _exit_code(pid)
            if exit_code is not None:
                self._untold.discard(pid)
                # The node may be gone.
                with suppress(OSError):
                    self._ends[pid].send(NUMBER.pack(exit_code))

    def _let_go(self, pid: int) -> None:
        """The node has closed its end: the number may go to others."""
        end = self._ends.pop(pid)
        self._selector.unregister(end)
        end.close()
        self._untold.discard(pid)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _exit_code(pid: int) -> int | None:
    """Negative for a signal; None while it runs. It stays a zombie, where the system can do that."""
    if hasattr(os, "waitid"):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _drain(woken: int) -> None:
    with suppress(BlockingIOError):
        os.read(woken, 4096)
