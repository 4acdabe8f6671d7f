"""The log of a node: readable text on a terminal, one JSON object a line elsewhere."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import cast

from jobsched.model.instants import format_instant
from jobsched.model.wording import printable

#: What a LogRecord has of its own; the rest came by `extra` and belongs in the JSON.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextLog(logging.Formatter):
    """`12:30:05.123 warning nightly: run 7 failed: …`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {record.levelname.lower():7} {printable(text)}"


class JsonLog(logging.Formatter):
    """`{"at": "…Z", "level": "warning", "message": "…", "event": "run_failed", "run": 7, …}`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line = {"at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": record.levelname.lower()}
        line["message"] = record.getMessage()
        line |= {key: value for key, value in vars(record).items() if key not in _OWN and value is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=_as_text)


def _as_text(value: object) -> str:
    return format_instant(value) if isinstance(value, datetime) else str(value)


class _NodeLogger(logging.Logger):
    """`jobsched`'s own, that a module or handler cannot silence: `dictConfig` disables all loggers it does not name, and takes
    away the handlers of those that it does; `logging.disable`, levels, filters and `handlers.clear()` are for all that is logged.
    """

    #: Where the node's log is written; a program may add others.
    its_own: logging.Handler
    its_level: int

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        return level >= self.its_level

    def handle(self, record: logging.LogRecord) -> None:
        self.its_own.handle(record)
        if not self.manager.disable >= record.levelno and self.filter(record):
            for added in self.handlers:
                if added is not self.its_own and record.levelno >= max(added.level, self.level):
                    added.handle(record)

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        """Never."""

    def removeHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - logging's name
        if hdlr is not self.its_own:
            super().removeHandler(hdlr)


def set_up(form: str, *, verbose: bool) -> None:
    """Log to standard error from now on. `form`: auto, text or json."""
    chosen = ("text" if sys.stderr.isatty() else "json") if form == "auto" else form
    formatter = TextLog() if chosen == "text" else JsonLog()
    _log_ours(_to_stderr(formatter), logging.DEBUG if verbose else logging.INFO)
    others = _to_stderr(formatter)
    others.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(others)
    # Handlers' own records, from INFO on, are kept with their run; the node's log is ours, and others' warnings.
    root.setLevel(logging.INFO)


def _to_stderr(formatter: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    return handler


def _log_ours(handler: logging.Handler, level: int) -> None:
    logger = logging.getLogger("jobsched")
    # The modules that log hold the logger that there is, so it changes its class.
    logger.__class__ = _NodeLogger
    ours = cast("_NodeLogger", logger)
    ours.its_own, ours.its_level = handler, level
    logger.addHandler(handler)
    logger.setLevel(level)
    # What a module attaches to the root logger would write each line once more.
    logger.propagate = False
