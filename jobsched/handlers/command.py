"""Performs commands and shell texts: a process in a session of its own, its payload on stdin, its output in the log."""

import errno
import json
import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobsched.clock import Clock
from jobsched.errors import CommandError
from jobsched.handlers.guard import guard
from jobsched.handlers.identity import Identity, identity_of
from jobsched.handlers.output import Output
from jobsched.handlers.process import KILL_AFTER_SECONDS, Follow, Spawned, signal_name
from jobsched.handlers.survivors import MARK, new_mark
from jobsched.model.handler import CommandHandler, ShellHandler
from jobsched.model.instants import format_instant
from jobsched.model.text import storable

if TYPE_CHECKING:
    from jobsched.handlers.call import Call
    from jobsched.handlers.secrets import Secrets

#: Linux refuses one variable of 128 KiB (E2BIG); stdin has the payload whatever its size.
_MAX_PAYLOAD_VARIABLE = 100_000


def perform_command(call: "Call", secrets: "Secrets", clock: Clock, environ: Mapping[str, str]) -> dict[str, Any]:
    """Run the command to its end; `{"exit_code": 0}`.

    Raises CommandError if it cannot start or ends otherwise; HandlerTimeoutError or HandlerCancelledError if it was
    stopped: SIGTERM to its process group, `kill_after` later SIGKILL.
    """
    payload = _payload(call)
    mark = new_mark()
    identity = None if call.user is None else identity_of(call.user)
    environment = _environment(call, payload, secrets, environ, identity)
    stdout, stderr = Output("stdout", call.log, secrets), Output("stderr", call.log, secrets)
    kill_after = call.timeout.kill_after.total_seconds() if call.timeout else KILL_AFTER_SECONDS
    with guard.expecting(mark):
        process = _start(call, environment | {MARK: mark}, identity)
        try:
            spawned = Spawned(process)
            outputs = ((spawned.stdout, stdout.feed), (spawned.stderr, stderr.feed))
            follow = Follow(spawned, payload, outputs, call.cancel, kill_after, clock, mark)
        except OSError as error:
            # No file descriptors left for following it: better not run than run unwatched.
            process.kill()
            process.communicate()
            raise CommandError(f"cannot follow the command, so it was killed: {_system_text(error)}") from error
    exit_code = follow.until_end()
    stdout.close()
    stderr.close()
    if follow.stopped:
        raise call.cancel.error()
    call.cancel.ends(unasked=True)
    if exit_code != 0:
        raise CommandError(_ended_badly(exit_code, stderr.tail()), exit_code)
    return {"exit_code": 0}


def _payload(call: "Call") -> bytes:
    # A lone surrogate becomes its JSON escape.
    return json.dumps(dict(call.payload), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _environment(
    call: "Call", payload: bytes, secrets: "Secrets", environ: Mapping[str, str], identity: Identity | None
) -> dict[str, str]:
    """What it inherits, without our own variables (database URL and tokens among them); the job's; and the run's."""
    environment = call.inheritance.of(environ)
    if identity is not None:
        environment |= identity.environment
    environment |= {name: secrets.resolve(value) for name, value in call.env.items()}
    environment |= {
        "JOBSCHED_RUN_ID": str(call.run_id),
        "JOBSCHED_JOB": call.job or "",
        "JOBSCHED_ATTEMPT": str(call.attempt),
        "JOBSCHED_SCHEDULED_AT": format_instant(call.scheduled_at) if call.scheduled_at else "",
    }
    if len(payload) <= _MAX_PAYLOAD_VARIABLE:
        environment["JOBSCHED_PAYLOAD"] = payload.decode()
    return environment


# -- its start


def _start(call: "Call", environment: dict[str, str], identity: Identity | None) -> subprocess.Popen[bytes]:
    argv = _argv(call)
    try:
        return subprocess.Popen(  # noqa: S603 - an argv of the job's declaration, without a shell
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=call.cwd,
            env=environment,
            start_new_session=True,
            umask=-1 if call.umask is None else int(call.umask, 8),
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=identity.groups if identity else None,
        )
    except OSError as error:
        if identity is not None and error.errno == errno.EPERM:
            raise CommandError(
                f"cannot run as `user` {identity.name!r}: the system does not let this root become somebody else; "
                "a container needs the capabilities SETUID and SETGID for that"
            ) from error
        raise CommandError(_why_no_start(error, argv, call.cwd)) from error
    except ValueError as error:  # NUL, `=` in the name of a variable, or text that the system's encoding does not know
        raise CommandError(f"cannot start {argv[0]!r}: an argument, a variable of `env` or `cwd`: {error}") from error


def _argv(call: "Call") -> list[str]:
    match call.handler:
        case ShellHandler(script):
            argv = ["/bin/sh", "-c", script]
        case CommandHandler(argv=words):
            argv = list(words)
        case other:
            raise TypeError(f"{other!r} is no command")
    if not argv or not argv[0]:
        raise CommandError("the command is empty: its first word must name a program")
    for place, word in enumerate(argv):
        if "\x00" in word:
            raise CommandError(f"cannot start {storable(argv[0])!r}: word {place} of the command has a NUL in it")
    return argv


def _why_no_start(error: OSError, argv: list[str], cwd: str | None) -> str:
    program = repr(argv[0])
    if cwd is not None and error.filename == cwd:
        return f"cannot start {program}: its `cwd` {cwd!r}: {_system_text(error)}"
    match error.errno:
        case errno.ENOENT:
            where = "does not exist (or its interpreter does not)" if "/" in argv[0] else "is not found on PATH"
            return f"cannot start {program}: it {where}"
        case errno.EACCES:
            return f"cannot start {program}: it is not executable, or a folder of its path may not be entered"
        case errno.ENOEXEC:
            return f"cannot start {program}: it is neither a binary nor begins with `#!`"
        case errno.E2BIG:
            return (
                f"cannot start {program}: its arguments or environment are too large for the system; "
                "hand large values over in the payload, which stands on stdin"
            )
        case _:
            return f"cannot start {program}: {_system_text(error)}"


def _system_text(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


# -- its end


def _ended_badly(exit_code: int, tail: str) -> str:
    how = f"exit code {exit_code}" if exit_code > 0 else f"ended by signal {signal_name(-exit_code)}"
    return f"{how}; stderr ends with:\n{tail}" if tail else f"{how}; nothing on stderr"
