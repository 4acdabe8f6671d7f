"""Programs that documents show are run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.shown_files import files_of, run_pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_tests_that_the_page_on_testing_shows_pass(tmp_path: Path) -> None:
    names = files_of(ROOT / "docs" / "testing.md", tmp_path)

    code, output = run_pytest(tmp_path)

    assert {name for name in names if name.startswith("test_")} == {
        f"test_{what}.py" for what in ("sign_up", "time", "handlers", "async", "by_hand")
    }
    assert (code, "14 passed" in output) == (0, True), output


def test_the_readmes_program_runs_its_handler(workplace: "Workplace") -> None:
    [program] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    program = program.replace("sqlite:///jobsched.db", workplace.url)
    handler, with_client, main = program.partition("with Client")
    workplace.module("mymodule", handler + "\n\ndef busy(url):\n    return False\n")
    workplace.module("main", program)
    workplace.write("""
        version: 1
        jobs:
          fetch:
            handler: mymodule:fetch
            payload: {url: "http://localhost/"}
    """)
    workplace.jobsched("sync")

    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=workplace.folder,
        env=workplace.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert with_client
    assert main
    assert (done.returncode, done.stdout) == (0, "{'size': 42}\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("traced", "web/request/orders.ship attempt 2\n"),
        ("spanned", "1 True\n"),
        ("stored", "succeeded\nfailed\n[3]\n"),
    ],
)
def test_the_programs_that_the_page_on_middleware_shows_run(place: "Workplace", name: str, says: str) -> None:
    files_of(ROOT / "docs" / "middleware.md", place.folder)
    place.client.store.migrate()

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {name}; {name}.main({place.url!r})"],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (0, says), done.stderr
