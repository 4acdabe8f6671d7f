"""How a node fares, in a file: for whoever starts and stops it, and should not need the database or the network to know."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jobsched.cli.errors import Failure
from jobsched.clock import Clock
from jobsched.runner.service import Service

if TYPE_CHECKING:
    from jobsched.runner.runner import Runner

_EACH_SECONDS = 5.0


class HealthFile(Service):
    """Written anew while the node's loops turn; `jobsched health` judges by its age. Without a path it does nothing.

    Instants in it are those of the machine's monotonic clock: no clock that is set makes a node look dead.
    """

    name = "health file"

    def __init__(self, clock: Clock, path: Path | None) -> None:
        super().__init__(clock)
        self._path = path
        self._runner: Runner | None = None
        self._ending = False

    def begin(self) -> None:
        """From now on it says that the process starts. Raises Failure if it cannot be written."""
        if self._path is None:
            return
        try:
            self._write()
        except OSError as error:
            raise Failure(f"the health file {self._path} cannot be written: {os.strerror(error.errno or 0)}") from error
        self.start()

    def ready(self, runner: "Runner") -> None:
        """The node works, as long as its lease is renewed and its loops turn."""
        self._runner = runner
        self.wake()

    def ending(self) -> None:
        """It takes no more work, and is alive until it has ended."""
        self._ending = True
        self.wake()

    def remove(self) -> None:
        """What has ended in order leaves no file behind."""
        if self._path is None:
            return
        self.stop()
        self.join(_EACH_SECONDS)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def step(self) -> float:
        # One whose loops hang lets its file grow old, as one that is frozen does.
        if self._runner is None or self._runner.turning:
            self._write()
        return _EACH_SECONDS

    def _write(self) -> None:
        assert self._path is not None, "begun with a path"
        ready = self._runner is not None and not self._ending and self._runner.heartbeat.fit
        text = json.dumps({"turned": self.clock.monotonic(), "ready": ready, "pid": os.getpid()})
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(self._path)
