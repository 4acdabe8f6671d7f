"""Takes a node's commands with it when it is killed: a tiny process that outlives the node by a moment.

PR_SET_PDEATHSIG would do it on Linux alone, needs a preexec_fn (unsafe beside threads), and strikes when the *thread*
that started the command ends. The guard reads, from a pipe that only the node holds open, which process groups run;
at its end (the node is gone, however it went) it kills those that are left.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jobsched.handlers.survivors import MARK

log = logging.getLogger("jobsched")

#: Where a guard can be: not on Windows, say, which has no process groups to kill either.
_POSSIBLE = hasattr(os, "posix_spawn") and hasattr(os, "register_at_fork")

# One `+ group:mark` or `- group:mark` a line, `+ :mark` of what is about to start; an empty one only tries whether it listens.
# The group first; then those that left it, on Linux, by their mark. Thrice: one that was only just started, or started by one
# that we were about to kill, does not show its mark yet.
_SCRIPT = """
watched=' '
while read -r sign each; do
    case $sign in
        +) watched="$watched$each " ;;
        -) watched="${watched%% $each *} ${watched#* $each }" ;;
    esac
done
for each in $watched; do
    case $each in
        :*) ;;
        *) kill -s KILL -- "-${each%%:*}" 2>/dev/null ;;
    esac
done
[ "$watched" = ' ' ] && exit
for again in . . .; do
    for each in $watched; do
        for file in $(grep -lsaF "MARK=${each#*:}" /proc/[0-9]*/environ 2>/dev/null); do
            pid=${file#/proc/}
            kill -s KILL "${pid%/environ}" 2>/dev/null
        done
    done
    sleep 0.1
done
""".replace("MARK", MARK)


class Guard:
    """Thread-safe; its process starts with the first group, and again at the next call after somebody killed it.

    Does nothing on a platform that cannot have it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, str] = {}
        self._expected: set[str] = set()
        self._pipe: int | None = None
        self._pid = 0
        # A fork of the node (multiprocessing) must not keep the pipe open when the node has died.
        if _POSSIBLE:
            os.register_at_fork(after_in_child=self._forked)

    @contextmanager
    def expecting(self, mark: str) -> Iterator[None]:
        """Kill what has this mark, should we die here: between the start of a command and `watch` lies a moment."""
        if not _POSSIBLE:
            yield
            return
        with self._lock:
            self._expected.add(mark)
            self._tell(f"+ :{mark}\n")
        try:
            yield
        finally:
            with self._lock:
                self._expected.discard(mark)
                if self._pipe is not None:
                    self._tell(f"- :{mark}\n")

    def watch(self, group: int, mark: str) -> None:
        """Kill this process group, and what has this mark, should we die."""
        if not _POSSIBLE:
            return
        with self._lock:
            self._watched[group] = mark
            self._tell(f"+ {group}:{mark}\n")

    def release(self, group: int) -> None:
        """Call it before the group's leader is waited for: afterwards the number may belong to somebody else."""
        with self._lock:
            mark = self._watched.pop(group, None)
            if self._pipe is not None and mark is not None:
                self._tell(f"- {group}:{mark}\n")

    def look_after(self) -> None:
        """Replace a guard that is gone; to be called now and then, since a long command gives no other occasion."""
        with self._lock:
            # Where none could start, that has been said; the next command tries again.
            if self._watched and self._pipe is not None:
                self._tell("\n")

    def _tell(self, line: str) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, line.encode())
            except OSError as error:
                log.warning("the guard over commands does not listen (%s), so another takes its place", error.strerror)
                self._discard(self._pipe)
            else:
                return
        try:
            self._start()
        except OSError as error:
            log.warning("no guard over commands, they would outlive a killed node: %s", error)

    def _start(self) -> None:
        reading, writing = os.pipe()
        try:
            self._pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _SCRIPT, "jobsched-guard"],
                {},
                # Not our stdout and stderr: who reads them to their end would wait for the guard.
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setpgroup=0,
                # What stops a node gently is not for the guard: it ends after the node.
                setsigmask=[signal.SIGHUP, signal.SIGINT, signal.SIGTERM],
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._pipe = writing
        watched = [f"+ {group}:{mark}\n" for group, mark in self._watched.items()]
        os.write(writing, "".join([*watched, *(f"+ :{mark}\n" for mark in self._expected)]).encode())
        # A guard that somebody has stopped must not stop us.
        os.set_blocking(writing, False)

    def _discard(self, pipe: int) -> None:
        """Of a guard that does not listen. It must be dead before its pipe closes, or it would do its work."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(pipe)
        self._pipe = None

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._watched, self._expected = {}, set()
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


guard = Guard()
