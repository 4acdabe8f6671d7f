"""Programs that documents show are run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

README = Path(__file__).parents[2] / "README.md"


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
