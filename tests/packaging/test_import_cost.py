"""Importing is a cost that each command pays: those that touch no database import none of its libraries."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

_FOR_THE_STORE = {"sqlalchemy", "alembic", "psycopg", "watchdog"}
_FOR_THE_WEB = {"httpx", "fastapi", "starlette", "uvicorn", "jinja2"}
HEAVY = {*_FOR_THE_STORE, *_FOR_THE_WEB, "prometheus_client", "opentelemetry"}

# What was imported is said at the very end, after whatever the command has to say itself.
SCRIPT = """
import atexit, sys
from importlib.metadata import entry_points
[command] = entry_points(group="console_scripts", name="jobsched")
sys.argv[0] = "jobsched"
atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
command.load()()
"""


def imported_by(root: Path, *arguments: str) -> set[str]:
    answer = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], cwd=root, text=True, capture_output=True)
    *messages, imported = answer.stderr.splitlines()

    assert (answer.returncode, messages) == (0, [])
    return set(imported.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("serve", "--help"),
        ("validate", "jobs.yaml"),
        ("next", "--cron", "0 3 * * *"),
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_database_imports_no_library_for_one(root: Path, arguments: tuple[str, ...]) -> None:
    assert imported_by(root, *arguments) & HEAVY == set()


def test_help_reads_no_file_and_checks_nothing(root: Path) -> None:
    assert imported_by(root, "--help") & {"yaml", "pydantic", "croniter", "rich"} == set()


def test_a_probe_costs_no_more_than_help(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "health"
    file.write_text(json.dumps({"turned": time.monotonic(), "ready": True}))

    assert imported_by(root, "health", str(file)) & {*HEAVY, "yaml", "pydantic", "croniter", "rich"} == set()


def test_validating_imports_the_core_of_pydantic_alone_and_nothing_that_a_sound_file_does_not_need(root: Path) -> None:
    imported = imported_by(root, "validate", "jobs.yaml")

    assert "pydantic_core" in imported
    assert imported & {"pydantic", "croniter", "rich"} == set()


def test_the_package_itself_costs_next_to_nothing(root: Path) -> None:
    script = "import sys; import jobsched; print(*sorted(sys.modules))"

    modules = subprocess.check_output([sys.executable, "-c", script], cwd=root, text=True).split()

    assert set(modules) & {*HEAVY, "yaml", "pydantic", "croniter", "rich", "click"} == set()


def test_what_pytest_loads_at_each_start_costs_next_to_nothing(root: Path) -> None:
    script = "import pytest, sys; before = set(sys.modules); import jobsched.testing.plugin; print(*set(sys.modules) - before)"

    added = subprocess.check_output([sys.executable, "-c", script], cwd=root, text=True).split()

    assert set(added) == {"jobsched", "jobsched._version", "jobsched.testing", "jobsched.testing.plugin"}
