"""What a soak does to its nodes and to their database, at random; the same seed does the same in the same order."""

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import psycopg
from tests.acceptance.conftest import NodeProcess, Workplace

from jobsched.testing.journal import Journal


class Database(Protocol):
    """What can be done to a server."""

    mode: str

    def stop(self) -> None: ...

    def start(self) -> None: ...


@dataclass(eq=False)
class Chaos:
    workplace: Workplace
    journal: Journal
    random: random.Random
    count: int  #: of nodes
    server: Database | None  #: None: SQLite
    done: Counter[str] = field(default_factory=Counter)
    nodes: list[NodeProcess] = field(default_factory=list)  #: that are running now
    exits: list[str] = field(default_factory=list)  #: of nodes that ended otherwise than was asked of them

    def begin(self) -> None:
        self.nodes = [self._start() for _ in range(self.count)]

    def once(self) -> None:
        """One misfortune, and what a supervisor would do about it."""
        weights: dict[Callable[[], None], int] = {self._kill: 3, self._pause: 6, self._terminate: 1}
        if self.server is not None:
            weights |= {self._cut_sessions: 4, self._restart_database: 1}
        [act] = self.random.choices(list(weights), list(weights.values()))
        act()
        self._replace_the_dead()

    def end(self) -> None:
        """In order: every node must end by itself, with 0."""
        for node in self.nodes:
            node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            code = node.process.wait(60)
            if code != 0:
                self.exits.append(f"{node.log_file.name} ended with {code} after SIGTERM")

    def _start(self) -> NodeProcess:
        # It waits for the database, which may be away just now.
        return self.workplace.start_node(
            "--log-format", "json", "--no-watch", "--no-sync", "--wait-for-db", ready=False,
            JOBSCHED_HEARTBEAT="1s", JOBSCHED_LEASE="3s", JOBSCHED_GRACE="2s",
        )  # fmt: skip

    def _kill(self) -> None:
        self._replace(signal.SIGKILL)
        self.done["kills"] += 1

    def _terminate(self) -> None:
        self._replace(signal.SIGTERM)
        self.done["shutdowns"] += 1

    def _replace(self, how: signal.Signals) -> None:
        node = self.nodes.pop(self.random.randrange(len(self.nodes)))
        node.process.send_signal(how)
        node.process.wait(60)
        self.journal.gone(node.process.pid)
        self.nodes.append(self._start())

    def _replace_the_dead(self) -> None:
        for node in [node for node in self.nodes if node.process.poll() is not None]:
            self.exits.append(f"{node.log_file.name} ended by itself with {node.process.returncode}")
            self.journal.gone(node.process.pid)
            self.nodes.remove(node)
            self.nodes.append(self._start())

    def _pause(self) -> None:
        """Shorter than its lease, or longer: then it comes back as one that was declared dead, and what it performed ends."""
        pid = self.random.choice(self._at_work()).process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.journal.gone(pid)
        threading.Event().wait(self.random.choice([0.5, 4.5, 4.5, 6.0]))
        os.kill(pid, signal.SIGCONT)
        self.done["pauses"] += 1

    def _at_work(self) -> list[NodeProcess]:
        """Those that have started, since who has nothing loses nothing; there may be none yet."""
        for _ in range(100):
            if started := [node for node in self.nodes if "node_started" in node.log]:
                return started
            threading.Event().wait(0.1)
        return self.nodes

    def _cut_sessions(self) -> None:
        try:
            with psycopg.connect(self.workplace.url, autocommit=True) as admin:
                admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        except psycopg.OperationalError:
            self.exits.append("the database could not be asked to cut sessions")
        self.done["sessions cut"] += 1

    def _restart_database(self) -> None:
        assert self.server is not None
        self.server.mode = self.random.choice(["fast", "immediate"])
        self.server.stop()
        threading.Event().wait(self.random.choice([0.0, 1.0, 4.0]))
        self.server.start()
        self.done["database restarts"] += 1


def commit() -> str:
    """Of the tree that is soaked."""
    asked = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "no git"
