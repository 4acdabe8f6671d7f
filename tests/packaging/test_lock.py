"""The lock files: what is installed is what was chosen, byte for byte, from whatever index."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

PROGRAM_LOCKS = ("dev.txt", "run.txt")
LOCKS = (*PROGRAM_LOCKS, "docs.txt", "bench.txt")


def pins(path: Path) -> dict[str, tuple[str, int]]:
    """Each pinned project: its version, and how many hashes are accepted for it."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = {}
    for requirement in requirements:
        match = re.match(r"([a-z0-9-]+)==(\S+)", requirement)
        assert match, f"no exact pin: {requirement[:80]}"
        found[match[1]] = (match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", requirement)))
    return found


def project_names(requirements: Iterable[Any]) -> set[str]:
    return {
        re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()
        for requirement in requirements
        if isinstance(requirement, str)
    }


@pytest.fixture
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(root: Path, lock: str) -> None:
    found = pins(root / "requirements" / lock)

    assert [name for name, (_, hashes) in found.items() if hashes == 0] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_to_download_from(root: Path, lock: str) -> None:
    text = (root / "requirements" / lock).read_text(encoding="utf-8")

    assert re.findall(r"://|--(?:extra-)?index|--find[-]links|--trusted-host", text) == []


@pytest.mark.parametrize("lock", PROGRAM_LOCKS)
def test_what_the_program_the_extras_and_the_build_need_is_pinned(
    root: Path, pyproject: dict[str, Any], lock: str
) -> None:
    project = pyproject["project"]
    wanted = project_names(
        [
            *project["dependencies"],
            *(one for extra in project["optional-dependencies"].values() for one in extra),
            *pyproject["build-system"]["requires"],
        ]
    )

    assert wanted - pins(root / "requirements" / lock).keys() == set()


@pytest.mark.parametrize("group", ["dev", "docs", "bench"])
def test_every_tool_of_a_group_is_pinned(root: Path, pyproject: dict[str, Any], group: str) -> None:
    wanted = project_names(pyproject["dependency-groups"][group])

    assert wanted - pins(root / "requirements" / f"{group}.txt").keys() == set()


def test_what_runs_is_what_was_tested(root: Path) -> None:
    run, dev = (pins(root / "requirements" / lock) for lock in ("run.txt", "dev.txt"))

    assert {name: pin for name, pin in run.items() if dev.get(name) != pin} == {}
