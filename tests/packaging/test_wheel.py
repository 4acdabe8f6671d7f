"""The wheel: what is in it, and that it works where nothing of this repository is."""

import configparser
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from jobsched import __version__

PACKAGES = {"jobsched", "jobsched_sql", "jobsched_sqlite", "jobsched_postgres"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; its dependencies are borrowed from ours, so no network is needed."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"),
            *("install", "--quiet", "--no-index", "--no-deps", str(wheel)),
        ],
        check=True,
    )
    site_packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    # A folder named in a .pth file comes last, and its own .pth files (our editable install) are not read.
    Path(site_packages, "borrowed.pth").write_text(
        "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}), encoding="utf-8"
    )
    return python


def run_clean(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([python, *arguments], cwd=cwd, env=environment, text=True, capture_output=True)


def test_the_wheel_holds_the_packages_and_nothing_else(names: set[str]) -> None:
    folders = {name.split("/")[0] for name in names}

    assert folders == {*PACKAGES, f"jobsched-{__version__}.dist-info"}


def test_every_source_file_of_the_packages_is_in_the_wheel(root: Path, names: set[str]) -> None:
    folders = (root / "jobsched", *(root / "adapters").glob("jobsched_*"))
    # Not only Python: migrations bring templates, adapters may bring SQL.
    expected = {
        path.relative_to(folder.parent).as_posix()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert expected - names == set()


def test_every_package_says_that_it_is_typed(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_wheel_brings_its_migrations(names: set[str]) -> None:
    migrations = [name for name in names if name.startswith("jobsched_sql/migrations/")]

    assert "jobsched_sql/migrations/env.py" in migrations
    assert [name for name in migrations if "/versions/" in name and name.endswith(".py")] != []


def test_the_wheel_names_the_command_the_plugin_and_the_stores(wheel: Path) -> None:
    entry_points = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        entry_points.read_string(archive.read(f"jobsched-{__version__}.dist-info/entry_points.txt").decode())

    assert dict(entry_points["console_scripts"]) == {"jobsched": "jobsched.cli:main"}
    assert dict(entry_points["pytest11"]) == {"jobsched": "jobsched.testing.plugin"}
    assert dict(entry_points["jobsched.stores"]) == {
        "sqlite": "jobsched_sqlite:open_store",
        "postgresql": "jobsched_postgres:open_store",
    }


def test_the_installed_command_tells_its_version(clean_python: Path, tmp_path: Path) -> None:
    command = subprocess.run(
        [clean_python.parent / "jobsched", "--version"], cwd=tmp_path, text=True, capture_output=True
    )

    assert (command.returncode, command.stderr) == (0, "")
    assert __version__ in command.stdout


def test_the_module_is_the_command_too(clean_python: Path, tmp_path: Path) -> None:
    command = run_clean(clean_python, "-m", "jobsched", "--version", cwd=tmp_path)

    assert (command.returncode, command.stderr) == (0, "")
    assert __version__ in command.stdout


def test_each_store_is_found_and_comes_from_the_wheel(clean_python: Path, tmp_path: Path) -> None:
    script = """
import sys
from importlib.metadata import entry_points
for point in sorted(entry_points(group="jobsched.stores"), key=lambda point: point.name):
    opener = point.load()
    print(point.name, callable(opener), sys.modules[opener.__module__].__file__.startswith(sys.prefix))
"""

    answer = run_clean(clean_python, "-c", script, cwd=tmp_path)

    assert answer.stderr == ""
    assert answer.stdout.splitlines() == ["postgresql True True", "sqlite True True"]


def test_a_database_can_be_set_up_from_the_wheel(clean_python: Path, tmp_path: Path) -> None:
    script = """
from jobsched.store.open import open_store
store = open_store("sqlite:///fresh.db")
store.migrate()
print(store.schema().state)
store.close()
"""

    answer = run_clean(clean_python, "-c", script, cwd=tmp_path)

    assert answer.stderr == ""
    assert answer.stdout.strip() == "current"
