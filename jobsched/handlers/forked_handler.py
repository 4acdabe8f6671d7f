"""What runs in the process of one handler: it reads what to do, does it, says how it went, and ends."""

import atexit
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from jobsched.clock import SystemClock
from jobsched.errors import HandlerExitError
from jobsched.handlers.call import Call
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.python import perform_python
from jobsched.handlers.raised import to_json
from jobsched.handlers.registry import default_registry
from jobsched.model.handler import PythonHandler

_PIECE = 65536


def main(stdin: int, stdout: int, stderr: int, channel: int) -> None:
    """Never returns: the process ends, with whatever threads the handler has left."""
    # What has been registered by now is the forking process's: it may clear away what all of its children use.
    atexit.register(_end)
    node = _Channel(socket.socket(fileno=channel))
    spec = _read_all(stdin)
    _replace_streams(stdin, stdout, stderr)
    os.environ.update(spec["environ"])
    sys.path[:] = spec["path"]
    _log_to(node)
    cancel = CancelToken(SystemClock())
    cancel.deadline = None if spec["remaining"] is None else SystemClock().monotonic() + spec["remaining"]
    threading.Thread(target=node.obey, args=(cancel,), name="jobsched-orders", daemon=True).start()
    own = os.getpid()
    outcome = _outcome(_call(spec, cancel, node), spec["handler"], own)
    # A child that the handler forked comes back here as well: what became of it is not what became of the run.
    if os.getpid() == own:
        node.send(outcome)
        # The last first; `_end` comes after all that the handler has registered.
        atexit._run_exitfuncs()  # noqa: SLF001 - has no public name; multiprocessing calls it too
    _end()


def _end() -> NoReturn:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _outcome(call: Call, handler: str, own: int) -> dict[str, Any]:
    try:
        # The node has looked whether this handler may run.
        return {"result": perform_python(call, default_registry.resolve(handler), SystemClock())}
    except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its run's result
        call.cancel.ends()
        if os.getpid() != own and not isinstance(raised, HandlerExitError):
            traceback.print_exception(raised)
        # The node may have been held up meanwhile, so it is told whether its order to stop came before this.
        return {"raised": to_json(raised), "asked": call.cancel.heeded is not None}


def _read_all(stdin: int) -> dict[str, Any]:
    with open(stdin, "rb", closefd=False) as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def _replace_streams(stdin: int, stdout: int, stderr: int) -> None:
    """Also for what is no Python: what it starts, or a library writes, goes to the run's log as well."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
    for descriptor in (nothing, stdin, stdout, stderr):
        os.close(descriptor)
    for name, mode, standard in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        # By lines, so that nothing is lost should the process die.
        stream = open(standard, mode, 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115 - to the end
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _call(spec: Mapping[str, Any], cancel: CancelToken, node: "_Channel") -> Call:
    scheduled_at = spec["scheduled_at"]
    return Call(
        run_id=spec["run_id"],
        namespace=spec["namespace"],
        job=spec["job"],
        attempt=spec["attempt"],
        max_attempts=spec["max_attempts"],
        scheduled_at=None if scheduled_at is None else datetime.fromisoformat(scheduled_at),
        payload=spec["payload"],
        handler=PythonHandler(spec["handler"]),
        timeout=None,
        env={},
        cwd=None,
        cancel=cancel,
        log=node,
    )


class _Channel:
    """To the node and from it, a JSON object a line. A log for the handler's context and for logging."""

    def __init__(self, node: socket.socket) -> None:
        self._node = node
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._node.sendall(line)

    def write(self, stream: str, text: str) -> None:
        # In pieces, each a message that the node takes; what makes a line of them cuts it.
        for start in range(0, len(text), _PIECE):
            self.send({"stream": stream, "text": text[start : start + _PIECE]})

    def obey(self, cancel: CancelToken) -> None:
        """Pass on the order to stop; end all when the node is gone."""
        with self._node.makefile("rb") as orders:
            for line in orders:
                cancel.cancel(json.loads(line)["cancel"])
        os.killpg(0, signal.SIGKILL)


def _log_to(node: _Channel) -> None:
    """Every record from INFO on: whatever was set up when modules were imported was the node's."""
    handler = _ToNode(node)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.INFO)


class _ToNode(logging.Handler):
    def __init__(self, node: _Channel) -> None:
        super().__init__()
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._node.write("log", self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers: a bad format string is reported, not raised
            self.handleError(record)
