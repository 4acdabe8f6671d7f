"""The process behind tests/acceptance/warm_start.py: imports what commands import, and forks for each that is asked for."""

import atexit
import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple, NoReturn

#: What commands import, each when it needs it.
PACKAGES = ("jobsched.cli", "jobsched.runner", "jobsched.web", "jobsched_sql", "jobsched_sqlite", "jobsched_postgres")
MODULES = (
    "alembic.command",
    "alembic.config",
    "croniter",
    "httpx",
    "rich.box",
    "rich.console",
    "rich.progress",
    "rich.table",
    "rich.text",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "watchdog.observers",
)


class _Asked(NamedTuple):
    arguments: list[str]
    cwd: str
    env: dict[str, str]
    streams: list[int]


def _preload() -> None:
    for name in PACKAGES:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if ".migrations" not in module.name:  # which migrates when it is imported
                import_module(module.name)
    for name in MODULES:
        import_module(name)


def _fork_for_each(channel: socket.socket) -> _Asked | None:
    """Returns in each child, with what was asked of it; in the parent in the end, with nothing."""
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    children: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(channel, selectors.EVENT_READ)
        ready.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _tell_of_ended(children)
                    continue
                message, descriptors, *_ = socket.recv_fds(channel, 1, 4)
                if not message:
                    return None
                answers = socket.socket(fileno=descriptors[0])
                asked = _Asked(**json.loads(answers.makefile().read()), streams=descriptors[1:])
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for end in (channel, woken, waker, answers, *children.values()):
                        end.close()
                    return asked
                children[pid] = answers
                with suppress(OSError):
                    answers.sendall(f"{pid}\n".encode())
                for descriptor in asked.streams:
                    os.close(descriptor)


def _tell_of_ended(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        # Who asked may have ended meanwhile.
        with children.pop(pid) as answers, suppress(OSError):
            answers.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(asked: _Asked) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(asked.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked.cwd)
    os.environ.clear()
    os.environ.update(asked.env)
    time.tzset()
    sys.path[0] = asked.cwd
    sys.argv[:] = ["jobsched", *asked.arguments]


def _end_quickly(main: Callable[[], NoReturn]) -> None:
    """As the interpreter ends, but for taking apart, and so copying, what it shares with the one that forked it."""
    try:
        main()
    except SystemExit as ended:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)


if __name__ == "__main__":
    # Before a module of this name takes its place.
    from jobsched.cli import main

    _preload()
    gc.collect()
    gc.freeze()
    given = _fork_for_each(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        _become(given)
        _end_quickly(main)
