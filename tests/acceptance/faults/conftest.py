"""A workplace for faults: its handlers keep a journal, its nodes log JSON, and in the end all that must hold is asked."""

import json
import shutil
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from jobsched.model.run import RunState
from jobsched.testing.invariants import Record, violations
from jobsched.testing.journal import Journal

UNFINISHED = tuple(state for state in RunState if not state.final)
SOAK = Path(__file__).parents[2] / "soak"


@pytest.fixture
def faulty(workplace: Any, record_property: Any) -> Iterator["Faulty"]:
    """On both databases."""
    made = Faulty(workplace)
    yield made
    record_property("injected", made.injected)


@pytest.fixture
def faulty_sqlite(place: Any, record_property: Any) -> Iterator["Faulty"]:
    made = Faulty(place)
    yield made
    record_property("injected", made.injected)


@pytest.fixture
def faulty_postgres(postgres_workplace: Any, record_property: Any) -> Iterator["Faulty"]:
    made = Faulty(postgres_workplace)
    yield made
    record_property("injected", made.injected)


@dataclass
class Faulty:
    """`injected` counts what was done to it, for the table of `make faults`."""

    place: Any
    injected: int = 0
    acknowledged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.place.folder / "journal.jsonl")
        shutil.copy(SOAK / "work.py", self.place.folder)

    def declare(self, jobs: str) -> None:
        """`jobs` in flow style; those with `handler: work` journal what they do."""
        kept = "{success: 10000, failed: 10000, skipped: 10000}"
        self.place.write(f"settings: {{imports: [work]}}\ndefaults: {{history: {kept}}}\njobs: {{{jobs}}}\n")

    def node(self, *arguments: str, **environ: str) -> Any:
        return self.place.start_node("--log-format", "json", *arguments, **environ)

    def trigger(self, job: str, count: int = 1) -> list[int]:
        made = [self.place.client.trigger(job).id for _ in range(count)]
        self.acknowledged += made
        return made

    def kill(self, node: Any) -> None:
        self.injected += 1
        node.kill()
        self.journal.gone(node.process.pid)

    def hang_up(self) -> None:
        """Close the test's own client, so that what is done to sessions is done to those of nodes alone."""
        if self.place._client is not None:
            self.place._client.close()
            self.place._client = None

    def begun(self, count: int = 1) -> None:
        """Wait until so many attempts have begun."""
        self.place.eventually(
            lambda: sum(entry.what == "begins" for entry in self.journal.entries()) >= count, f"{count} attempts begin"
        )

    def said(self, node: Any, event: str, times: int = 1) -> None:
        node.wait_for_log(f'"event": "{event}"', times)

    def holds(self, limits: Mapping[str, int] | None = None) -> None:
        """Once the schedules have been ended and everything is over, nothing is violated."""
        client = self.place.client
        if "every: 1s, " in self.place.file.read_text():
            self.place.write(self.place.file.read_text().replace("every: 1s, ", ""))
            self.place.jobsched("sync")

        def over() -> bool:
            return not client.runs(states=UNFINISHED)

        self.place.eventually(over, f"all is over; there are {client.runs(states=UNFINISHED)}")
        for node in self.place.nodes:
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
                assert node.process.wait(30) == 0, node.log
        logs = {node.log_file.name: list(_lines(node)) for node in self.place.nodes}
        record = Record(
            runs=client.runs(limit=10_000),
            journal=self.journal.entries(),
            acknowledged=self.acknowledged,
            limits=limits or {},
            logs=logs,
        )
        assert violations(record) == []
        assert [line["traceback"] for lines in logs.values() for line in lines if "traceback" in line] == []


def _lines(node: Any) -> Iterator[dict[str, Any]]:
    for line in node.log.splitlines():
        with suppress(ValueError):  # killed within a line
            yield json.loads(line)


# -- PostgreSQL


@pytest.fixture
def postgres_workplace(tmp_path: Path, postgres_url: str) -> Iterator[Any]:
    from tests.acceptance.conftest import Workplace

    made = Workplace(tmp_path, postgres_url)
    yield made
    made.close()


@pytest.fixture
def admin(postgres_url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def proxy(postgres_url: str) -> Iterator["Proxy"]:
    """Between a node and the test's PostgreSQL."""
    [folder] = parse_qs(urlsplit(postgres_url).query)["host"]
    with closing(Proxy(f"{folder}/.s.PGSQL.5432")) as made:
        yield made


class Proxy:
    """A way to a server that can be told to swallow everything, as a network does that loses its route."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        for one in [self._listener, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect(self._target)
                for source, target in [(near, far), (far, near)]:
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
