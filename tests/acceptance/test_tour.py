"""The README's tour and the tutorial: each command is run, and must print what the page says it prints."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.acceptance import warm_start

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
TOUR = (ROOT / "README.md").read_text().split("## A tour of five minutes")[1].split("\n## ")[0]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
#: The tutorial's database on a server, which a test has under another name.
SERVER = "postgresql://localhost/shop"

#: Who commits, where nobody has a name.
GIT = {f"GIT_{role}_{what}": "you@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

END = "<<end of command>>"
#: What differs from one time to the next, and how it is told from the rest.
VARIABLE = [
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<instant>"),
    (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "<clock>"),
    (r"(in |\+)?\b(\d+(ms|[dhms]))+\b( ago)?", "<duration>"),
    (r"(file|commit) [0-9a-f]{12}", r"\1 <hash>"),
    (r"sqlite:////\S+", "<database>"),
    (r"'?postgresql://\S+", "<database>"),
    (r"by \S+@\S+", "by <who>"),
    (r"^(\d+) +\S+ +\d+ +(alive|dead)", r"\1 <host> <pid> \2"),
    (r"^\d+ +(tick|hello)", r"<run> \1"),
    # A terminal has room for less than a pipe, and a page shows what a terminal shows.
    (r"<instant>( \(<duration>\))?|\d\d-\d\d \d\d:\d\d:\d\d|<duration>", "<when>"),
    (r"^<when> +run \d+", "<when> run <run>"),
    (r"─+", "─"),
    (r"[ ]+", " "),
]
#: Commands that only look: what they show comes soon after what was done, so they are asked again.
LOOKING = ("grep ", *(f"jobsched {name}" for name in ("runs", "status", "list", "logs", "show", "why")))
PATIENCE = 100
#: What says the number of a new run, and where the numbers of runs stand.
MADE = re.compile(r"^run (\d+) of ", re.MULTILINE)
RUN_NUMBER = re.compile(r"(\brun |\b(?:logs|cancel|requeue) |^)(\d+)\b(?! +\S+ +\d+ +(?:alive|dead))", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    command: str
    expected: str

    @property
    def looks(self) -> bool:
        return self.command.startswith(LOOKING)

    @property
    def log_of_node(self) -> str | None:
        """The file that a node, started in the background, writes to."""
        found = re.search(r"^jobsched run .*> (\S+\.log)\b.*&$", self.command)
        return found[1] if found else None


def steps(text: str) -> Iterator[Step]:
    """The commands of all console blocks, each with what it prints."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = lines.index("END") + 1 if "<<'END'" in lines[0] else 1
            yield Step("\n".join(lines[:length]), "\n".join(lines[length:]))


class Shell:
    """One bash for all commands of a page, in a folder of its own. `first`: on its PATH, and what is open in it."""

    def __init__(self, folder: Path, *first: Path, descriptors: Sequence[int] = ()) -> None:
        path = os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSCHED_")}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**kept, **GIT, "PATH": path, "HOME": str(folder), "TZ": "UTC", "NO_COLOR": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            pass_fds=descriptors,
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


def essence(output: str) -> list[str]:
    """The lines, with whatever varies named by its kind."""
    lines = []
    for raw in output.splitlines():
        line = raw.rstrip()
        for pattern, kind in VARIABLE:
            line = re.sub(pattern, kind, line)
        lines.append(line.strip())
    return [line for line in lines if line]


def translated(text: str, numbers: dict[str, str]) -> str:
    """With the runs' numbers of a page replaced by those that they got here."""
    return RUN_NUMBER.sub(lambda found: found[1] + numbers.get(found[2], found[2]), text)


def take(shell: Shell, step: Step) -> str:
    """Run the command until it prints what is expected, once if it does more than look; what it printed last."""
    never = threading.Event()
    for _ in range(PATIENCE if step.looks else 1):
        shown = shell.run(step.command)
        if essence(shown) == essence(step.expected):
            break
        never.wait(0.2)
    if file := step.log_of_node:
        # A reader takes longer to type the next command than a node to start; this does not.
        assert any(" threads on " in shell.run(f"cat {file}") or never.wait(0.1) for _ in range(300))
    return shown


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """With the command as it was installed."""
    opened = Shell(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def warm_shell(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """With a command that begins where its imports are done."""
    path = tmp_path_factory.mktemp("path")
    opened = Shell(tmp_path, path, descriptors=[warm_start.put_command(path)])
    yield opened
    opened.close()


def go_through(shell: Shell, taken: list[Step]) -> None:
    numbers: dict[str, str] = {}
    for shows in taken:
        step = Step(translated(shows.command, numbers), translated(shows.expected, numbers))
        shown = take(shell, step)
        numbers |= zip(MADE.findall(shows.expected), MADE.findall(shown), strict=False)
        assert essence(shown) == essence(translated(shows.expected, numbers)), f"$ {step.command}\n{shown}"


def test_the_tour_is_true(shell: Shell) -> None:
    taken = list(steps(TOUR))

    assert len(taken) > 12
    go_through(shell, taken)


def test_the_tutorial_is_true(warm_shell: Shell, empty_postgres_url: str) -> None:
    taken = list(steps(TUTORIAL.replace(SERVER, f"'{empty_postgres_url}'")))

    assert len(taken) > 50
    go_through(warm_shell, taken)
