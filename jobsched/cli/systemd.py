"""Tells systemd how the node fares (`Type=notify`): ready, reloading, stopping, and alive by its watchdog."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

from jobsched.clock import Clock
from jobsched.runner.service import Service

if TYPE_CHECKING:
    from jobsched.runner.runner import Runner

#: While a reload is under way: how often it is looked whether it is done.
_LOOK_SECONDS = 0.1


class Systemd(Service):
    """Does nothing where systemd has not asked for it. The watchdog is fed while the node's loops turn."""

    name = "systemd"

    def __init__(self, clock: Clock, environ: MutableMapping[str, str] = os.environ) -> None:
        """Takes its variables out of `environ`: what the node starts is not to speak for it."""
        super().__init__(clock)
        self._address = environ.pop("NOTIFY_SOCKET", "")
        period, asked_of = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = asked_of in {"", str(os.getpid())}
        self._feeding = int(period) / 1e6 / 2 if ours and period.isdecimal() else None
        self._runner: Runner | None = None
        self._reloading = self._announced = False

    def ready(self, runner: "Runner") -> None:
        """The node works; from now on it is watched."""
        self._runner = runner
        self._tell("READY=1", f"STATUS=node {runner.heartbeat.node} runs")
        if self._address:
            self.start()

    def reloading(self) -> None:
        """SIGHUP came. Only sets flags, so a signal handler may call it."""
        self._reloading = True
        self.wake()

    def ending(self) -> None:
        """The node has been asked to stop, and waits for what it runs."""
        waits = f"STATUS=waits for {self._runner.pool.active} runs" if self._runner else "STATUS=stops"
        self._tell("STOPPING=1", waits)

    def step(self) -> float | None:
        assert self._runner is not None, "started by `ready`"
        if self._feeding is not None and self._runner.turning:
            self._tell("WATCHDOG=1")
        if self._reloading:
            self._reloading = False
            self._announced = True
            self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self.clock.monotonic() * 1e6)}")
        if not self._announced:
            return self._feeding
        watcher = self._runner.watcher
        if watcher is not None and not watcher.answered:
            return _LOOK_SECONDS
        self._announced = False
        self._tell("READY=1")
        return self._feeding

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto("\n".join(lines).encode(), address)
