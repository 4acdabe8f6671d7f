"""Programs that pages show: blocks whose first line names their file."""

import os
import re
import subprocess
import sys
from pathlib import Path

_FILE = re.compile(r"^```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)^```", re.DOTALL | re.MULTILINE)


def files_of(page: Path, folder: Path) -> set[str]:
    """The files that a page shows, written to a folder; their names."""
    found = dict(_FILE.findall(page.read_text(encoding="utf-8")))
    for name, text in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return set(found)


def run_pytest(folder: Path, ignoring: str = "") -> tuple[int, str]:
    """As whoever has installed jobsched runs it, with warnings as errors, but `ignoring`; its exit code, and its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOBSCHED_", "PYTEST_"))}
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings =\n  error\n  {ignoring}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-config", "--strict-markers"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr
