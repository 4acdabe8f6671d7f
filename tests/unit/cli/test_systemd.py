import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobsched.cli.systemd import Systemd
from jobsched.clock import SystemClock

if TYPE_CHECKING:
    from jobsched.runner.runner import Runner


@dataclass
class ANode:
    node: int = 3
    turning: bool = True
    answered: bool = False
    active: int = 2
    heartbeat: Any = field(init=False)
    pool: Any = field(init=False)
    watcher: Any = field(init=False)

    def __post_init__(self) -> None:
        self.heartbeat = self.watcher = self.pool = self


class Manager:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(30)

    def heard(self) -> list[str]:
        return self.socket.recv(4096).decode().splitlines()

    def silent(self) -> bool:
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(4096)
        except BlockingIOError:
            return True


@pytest.fixture(
    params=["a file", pytest.param("abstract", marks=pytest.mark.skipif(not Path("/proc").exists(), reason="Linux"))]
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "a file" else f"@jobsched-test-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    made = Manager(address)
    yield made
    made.socket.close()


def a_node(**facts: Any) -> "Runner":
    return cast("Runner", ANode(**facts))


def test_it_tells_when_the_node_is_ready_and_when_it_ends(manager: Manager, address: str) -> None:
    systemd = Systemd(SystemClock(), {"NOTIFY_SOCKET": address})

    systemd.ready(a_node())
    first = manager.heard()
    systemd.ending()
    second = manager.heard()
    systemd.stop()

    assert first == ["READY=1", "STATUS=node 3 runs"]
    assert second == ["STOPPING=1", "STATUS=waits for 2 runs"]


def test_what_the_node_starts_cannot_speak_for_it(address: str) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1", "PATH": "/bin"}

    Systemd(SystemClock(), environ)

    assert environ == {"PATH": "/bin"}


def test_the_watchdog_is_fed_twice_in_its_time_while_the_loops_turn(manager: Manager, address: str) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
    systemd = Systemd(SystemClock(), environ)

    systemd.ready(a_node())
    heard = [manager.heard(), manager.heard()]
    pause = systemd.step()
    systemd.stop()

    assert heard[1] == ["WATCHDOG=1"]
    assert pause == 30


def test_it_is_not_fed_when_a_loop_hangs(manager: Manager, address: str) -> None:
    systemd = Systemd(SystemClock(), {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    systemd._runner = a_node(turning=False)

    systemd.step()

    assert manager.silent()


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(manager: Manager, address: str) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    systemd = Systemd(SystemClock(), environ)
    systemd._runner = a_node()

    assert systemd.step() is None
    assert manager.silent()


def test_a_reload_is_told_until_it_is_done(manager: Manager, address: str) -> None:
    systemd, node = Systemd(SystemClock(), {"NOTIFY_SOCKET": address}), ANode()
    systemd._runner = cast("Runner", node)

    systemd.reloading()
    systemd.step()
    begun = manager.heard()
    systemd.step()
    node.answered = True
    systemd.step()

    assert begun[0] == "RELOADING=1"
    assert begun[1].startswith("MONOTONIC_USEC=")
    assert manager.heard() == ["READY=1"]


def test_without_systemd_nothing_is_told() -> None:
    systemd = Systemd(SystemClock(), {})

    systemd.ready(a_node())
    systemd.ending()

    assert not systemd.alive


def test_a_manager_that_has_gone_does_no_harm(tmp_path: Path) -> None:
    Systemd(SystemClock(), {"NOTIFY_SOCKET": str(tmp_path / "gone")}).ending()
