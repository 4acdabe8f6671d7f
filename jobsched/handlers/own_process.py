"""Keeps what a handler forks from becoming a second node: the child ends where the handler's code does."""

import os
import traceback


class _Process:
    """The one that this is: the system is asked for its number at each fork, not at each call of a handler."""

    id = os.getpid()


def _forked() -> None:
    _Process.id = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def this_process() -> int:
    """Its number, for `end_if_forked`."""
    return _Process.id


def end_if_forked(process: int, error: BaseException | None) -> None:
    """After the call of a handler in this process, with what it raised: a child that it forked, and that comes back, ends here.

    Its exit code is 0, or that of its `sys.exit`, or 1 with the traceback on stderr. What else it would do at its end is
    the node's: no `atexit`, and nothing is flushed.
    """
    if _Process.id != process:
        os._exit(_exit_code(error))


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return (error.code or 0) & 0xFF
    # Not by sys.stderr: a thread that is not in this process may have held its lock.
    os.write(2, "".join(traceback.format_exception(error)).encode(errors="backslashreplace"))
    return 1
