"""The README's tour: each command is run, and must print what the README says it prints."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

README = Path(__file__).parents[2] / "README.md"
END = "<<end of command>>"
#: What differs from one run of the tour to the next, and how it is told from the rest.
VARIABLE = [
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<instant>"),
    (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "<clock>"),
    (r"(in |\+)?\b(\d+(ms|[dhms]))+\b( ago)?", "<duration>"),
    (r"file [0-9a-f]{12}", "file <hash>"),
    (r"sqlite:////\S+", "<database>"),
    (r"by \S+@\S+", "by <who>"),
    (r"^(\d+) +\S+ +\d+ +(alive)", r"\1 <host> <pid> \2"),
    (r"^\d+ +(tick)", r"<run> \1"),
    (r"─+", "─"),
    (r"[ ]+", " "),
]
#: Commands that only look: what they show comes soon after what was done, so they are asked again.
LOOKING = ("jobsched runs", "jobsched status", "jobsched list", "jobsched logs")


@dataclass(frozen=True)
class Step:
    command: str
    expected: str

    @property
    def looks(self) -> bool:
        return self.command.startswith(LOOKING)


def steps() -> Iterator[Step]:
    tour = README.read_text().split("## A tour of five minutes")[1].split("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", tour, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = lines.index("END") + 1 if "<<'END'" in lines[0] else 1
            yield Step("\n".join(lines[:length]), "\n".join(lines[length:]))


class Shell:
    """One bash that takes the tour."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSCHED_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**kept, "PATH": path, "TZ": "UTC", "NO_COLOR": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho '{END}'\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.strip() == END:
                break
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path)
    yield opened
    opened.close()


def essence(output: str) -> list[str]:
    """The lines, with whatever varies named by its kind."""
    lines = []
    for raw in output.splitlines():
        line = raw.rstrip()
        for pattern, kind in VARIABLE:
            line = re.sub(pattern, kind, line)
        lines.append(line.strip())
    return [line for line in lines if line]


def test_the_tour_is_true(shell: Shell) -> None:
    never = threading.Event()
    taken = list(steps())
    assert len(taken) > 12

    for step in taken:
        for _ in range(100 if step.looks else 1):
            shown = shell.run(step.command)
            if essence(shown) == essence(step.expected):
                break
            never.wait(0.2)
        assert essence(shown) == essence(step.expected), f"$ {step.command}\n{shown}"
        if step.command.endswith("&"):
            # A reader takes longer to type the next command than a node to start; this does not.
            assert any(" threads on " in shell.run("cat node.log") or never.wait(0.1) for _ in range(300))
