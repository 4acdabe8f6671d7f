"""What is in the repository is for everybody: nothing in it knows one machine or one package index."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

# Written in pieces, so that this file is not its own finding.
INDEX_HOSTS = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io")
HOME_OF_ONE = re.compile(r"(?<![\w.~-])/(?:work|root|Users)/\w")


@pytest.fixture(scope="module")
def tracked(root: Path) -> dict[str, str]:
    """The text of each file that is, or would be, in a commit."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, text=True
    )
    paths = [name for name in listed.split("\0") if name and (root / name).is_file()]
    return {name: (root / name).read_text(encoding="utf-8", errors="replace") for name in paths}


def places(tracked: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_the_host_of_a_package_index(tracked: dict[str, str]) -> None:
    assert places(tracked, re.compile("|".join(map(re.escape, INDEX_HOSTS)))) == []


def test_no_file_names_a_path_of_one_machine(tracked: dict[str, str]) -> None:
    assert places(tracked, HOME_OF_ONE) == []


def test_no_database_and_no_build_is_committed(tracked: dict[str, str]) -> None:
    suffixes = (".db", ".db-wal", ".db-shm", ".pyc", ".whl", ".tar.gz")

    assert [name for name in tracked if name.endswith(suffixes)] == []
