"""A node's settings: option of the command line, environment (`JOBSCHED_<SETTING>`), file, default, in this order."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import click

from jobsched.config import variables
from jobsched.config.rules import lease_finding
from jobsched.handlers.inheritance import Inheritance
from jobsched.model.desired import Settings
from jobsched.model.durations import parse_duration
from jobsched.model.names import is_name
from jobsched.runner.options import Options

T = TypeVar("T")
D = TypeVar("D")

_LOG_FORMATS = ("auto", "text", "json")
_MOST_THREADS = 1000


def options_of(settings: Settings, *, threads: int | None, queues: str | None, once: bool) -> Options:
    """What the runner is told. Raises click.UsageError on a variable that cannot be read."""
    default = Options()
    heartbeat = _setting("heartbeat", parse_duration, settings.heartbeat, default.heartbeat)
    lease = _setting("lease", parse_duration, settings.lease, default.lease)
    if (problem := lease_finding(heartbeat, lease)) is not None:
        raise click.UsageError(problem)
    return Options(
        threads=threads or _setting("threads", _threads, settings.threads, default.threads),
        max_abandoned=_setting("max_abandoned", _threads, settings.max_abandoned, None),
        queues=None if queues is None else _queues(queues),
        queue_threads=settings.queue_threads,
        heartbeat=heartbeat,
        lease=lease,
        inheritance=inheritance_of(settings),
        grace=_setting("grace", parse_duration, settings.grace, default.grace),
        poll=_setting("poll", parse_duration, settings.poll, default.poll),
        once=once,
        # Run once, there may be no other node and no later: what is unknown fails now.
        unknown_handler_patience=timedelta(0) if once else default.unknown_handler_patience,
    )


def log_format_of(option: str | None, settings: Settings) -> str:
    return option or _setting("log_format", _log_format, settings.log_format, "auto")


def imports_of(settings: Settings) -> tuple[str, ...]:
    """Modules that register handlers."""
    return _setting("imports", _names, settings.imports or None, ())


def inheritance_of(settings: Settings) -> Inheritance:
    """What commands get of the node's environment: nothing that the database's URL is made of, and no token."""
    secret = (settings.database, *settings.api.tokens.values())
    withheld = frozenset(name for text in secret for name in variables.names(text or ""))
    return Inheritance(_setting("pass_env", _names, settings.pass_env, None), withheld)


def _setting(name: str, read: Callable[[str], T], from_file: T | None, default: D) -> T | D:
    variable = f"JOBSCHED_{name.upper()}"
    text = os.environ.get(variable)
    if not text:
        return default if from_file is None else from_file
    try:
        return read(text)
    except ValueError as error:
        raise click.UsageError(f"{variable}: {error}") from None


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_THREADS:
        raise ValueError(f"{text!r} is no number from 1 to {_MOST_THREADS}")
    return int(text)


def _log_format(text: str) -> str:
    if text not in _LOG_FORMATS:
        raise ValueError(f"{text!r} is none of {', '.join(_LOG_FORMATS)}")
    return text


def _queues(text: str) -> tuple[str, ...]:
    names = _names(text)
    wrong = [name for name in names if not is_name(name)]
    if wrong or not names:
        raise click.BadParameter(f"{(wrong or [text])[0]!r} is no name of a queue", param_hint="--queues")
    return names


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
