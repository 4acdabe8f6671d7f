"""What signals ask of a node."""

import os
import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsched.cli.systemd import Systemd
    from jobsched.runner.runner import Runner


class Signals:
    """The first SIGTERM or SIGINT stops in order, the second at once, the third ends the process. SIGHUP reloads.

    Installed before the database is opened; the handlers only set events, so they cannot deadlock.
    """

    def __init__(self, systemd: "Systemd") -> None:
        self._systemd = systemd
        self._runner: Runner | None = None
        self._count = 0
        self._reload_asked = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._reload)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_heed_no_more)

    @property
    def asked(self) -> bool:
        """A signal has asked to stop."""
        return self._count > 0

    def connect(self, runner: "Runner") -> None:
        """From now on signals go to this runner; one that came before does too."""
        self._runner = runner
        if self._count:
            runner.stop(hard=self._count > 1)
        if self._reload_asked and runner.watcher is not None:
            runner.watcher.reload()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 2:
            os._exit(128 + number)
        if self._runner is not None:
            self._runner.stop(hard=self._count > 1)

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self._reload_asked = True
        if self._runner is not None and self._runner.watcher is not None:
            self._runner.watcher.reload()
            self._systemd.reloading()


def _heed_no_more() -> None:
    """A process that a handler forked ends by these signals, as any does; the node is another."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
