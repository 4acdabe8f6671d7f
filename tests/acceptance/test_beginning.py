"""The first minutes: a first file, and what the command line says of itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched.cli.main import COMMANDS

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.acceptance


def test_the_first_file_is_valid_without_warnings(place: "Workplace") -> None:
    place.jobsched("init")

    assert place.jobsched("validate", "--strict").stdout == "1 job, valid\n"


def test_the_examples_of_the_first_file_are_valid_too_once_they_are_switched_on(place: "Workplace") -> None:
    place.jobsched("init")
    switched_on = re.sub(r"^  # (?=( {2})?[a-z_]+:)", "  ", place.file.read_text(), flags=re.MULTILINE)
    place.file.write_text(switched_on)

    assert place.jobsched("validate", "--strict").stdout == "3 jobs, valid\n"


def test_init_never_overwrites(place: "Workplace") -> None:
    place.write("version: 1\njobs: {}\n")

    done = place.jobsched("init", code=1)

    assert "there already" in done.stderr
    assert place.file.read_text() == "version: 1\njobs: {}\n"


def test_init_says_why_it_cannot_write(place: "Workplace") -> None:
    done = place.jobsched("init", "missing/jobs.yaml", code=1)

    assert "cannot write missing/jobs.yaml: No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["sta"], {"status", "stats"}),
        (["runs", "--sta"], {"--state"}),
        (["runs", "--state", "fa"], {"failed"}),
        (["trigger", "he"], {"hello"}),
        (["runs", "--job", ""], {"hello"}),
        (["why", "he"], {"hello"}),
        (["pause", "--queue", "def"], {"default"}),
        (["db", "up"], {"upgrade"}),
        (["nothing", "x"], set()),
    ],
)
def test_bash_completes_commands_options_values_and_jobs(
    place: "Workplace", words: list[str], completed: set[str]
) -> None:
    place.jobsched("init")

    shown = in_bash(
        place,
        'eval "$(jobsched completion bash)"; COMP_WORDS=(jobsched "$@"); COMP_CWORD=$#; '
        '_jobsched_completion jobsched; printf "%s\\n" "${COMPREPLY[@]}"',
        *words,
    )

    assert set(shown.stdout.split()) == completed
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("shell", "text"), [("zsh", "#compdef jobsched"), ("fish", "complete --no-files --command jobsched")]
)
def test_other_shells_get_their_own_script(place: "Workplace", shell: str, text: str) -> None:
    assert text in place.jobsched("completion", shell).stdout


def test_a_file_that_is_not_valid_completes_nothing_and_says_nothing(place: "Workplace") -> None:
    place.write("version: 1\njobs: {hello: {}}\n")

    shown = in_bash(place, "COMP_WORDS='jobsched show h' COMP_CWORD=2 _JOBSCHED_COMPLETE=bash_complete jobsched")

    assert (shown.stdout.strip(), shown.stderr) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["staus"], "Did you mean 'status' or 'stats'?"),
        (["db", "upgrad"], "Did you mean 'upgrade'?"),
        (["runs", "--jb", "x"], "Did you mean '--job'?"),
    ],
)
def test_mistyped_commands_and_options_get_the_nearest(place: "Workplace", arguments: list[str], hint: str) -> None:
    assert hint in place.jobsched(*arguments, code=2).stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_helps_and_stands_in_the_readme(place: "Workplace", command: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]

    assert place.jobsched(command, "--help").stdout.startswith("Usage: ")
    assert any(f"`{command}" in row.split(" | ")[0] for row in rows)


def test_the_list_of_commands_fits_80_columns_a_sentence_a_line(place: "Workplace") -> None:
    lines = place.jobsched("--help", COLUMNS="80").stdout.partition("Commands:\n")[2].splitlines()

    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all(line.endswith(".") and len(line) <= 78 for line in lines)


def in_bash(place: "Workplace", script: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """The script, run where `jobsched` is found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        cwd=place.folder,
        env=place.environment(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_node_begins_though_its_standard_streams_are_closed(place: "Workplace") -> None:
    place.write("jobs: {it: {command: ['true']}}")

    done = in_bash(place, "jobsched run --until-idle <&- >&- 2>&-; echo $?; jobsched list -o json")

    code, _, listed = done.stdout.partition("\n")
    assert (code, [job["name"] for job in json.loads(listed)]) == ("0", ["it"])
