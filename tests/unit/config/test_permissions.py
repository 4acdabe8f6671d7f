import os
import sys
from pathlib import Path

import pytest

from jobsched.config.permissions import exposures
from jobsched.model.desired import DesiredState
from jobsched.model.handler import CommandHandler, PythonHandler
from jobsched.model.job import Job


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file in a folder of its own."""
    (tmp_path / "jobs.yaml").touch(0o644)
    return tmp_path


def found(place: Path, handler: str | None = None, imports: tuple[str, ...] = ()) -> list[str]:
    performs = CommandHandler(("true",)) if handler is None else PythonHandler(handler)
    jobs = {"a": Job(namespace="default", name="a", handler=performs)}
    return exposures([place / "jobs.yaml"], imports, DesiredState(namespace="default", jobs=jobs, content_hash=""))


def test_what_only_its_user_may_change_is_all_right(place: Path) -> None:
    assert found(place) == []


@pytest.mark.parametrize("mode", [0o646, 0o666])
def test_a_file_that_others_may_write(place: Path, mode: int) -> None:
    file = place / "jobs.yaml"
    file.chmod(mode)

    assert found(place) == [f"users other than its owner can write {file}: chmod go-w {file}"]


def test_a_folder_above_it_in_which_others_may_replace_the_next(place: Path) -> None:
    place.chmod(0o777)

    assert found(place) == [f"users other than its owner can write {place}: chmod go-w {place}"]


def test_a_folder_where_others_may_only_add(place: Path) -> None:
    place.chmod(0o1777)

    assert found(place) == []


def test_what_a_link_leads_to_counts_too(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "real.yaml"
    target.touch()
    target.chmod(0o666)
    (place / "jobs.yaml").unlink()
    (place / "jobs.yaml").symlink_to(target)

    assert f"users other than its owner can write {target}: chmod go-w {target}" in found(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_somebody_else(place: Path) -> None:
    os.chown(place / "jobs.yaml", 12345, 0)

    [text] = found(place)

    assert text.startswith(f"{place / 'jobs.yaml'} belongs to user 12345")


def test_the_modules_of_handlers_and_imports_count_and_are_not_imported(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(place)
    for name in ("exposed_one", "exposed_two"):
        (place / f"{name}.py").write_text("raise AssertionError")
        (place / f"{name}.py").chmod(0o666)

    texts = found(place, handler="exposed_one:run", imports=("exposed_two",))

    assert len(texts) == 2
    assert {"exposed_one", "exposed_two"} & set(sys.modules) == set()


def test_an_exposed_package_is_not_run_to_find_what_is_in_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(place)
    package = place / "exposed_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError")
    package.chmod(0o777)

    assert found(place, handler="exposed_package.work:run") == [
        f"users other than its owner can write {package}: chmod go-w {package}"
    ]


@pytest.mark.parametrize("fails", ["raise LookupError", "import sys; sys.exit(3)"])
def test_a_package_that_cannot_be_imported_is_for_others_to_say(
    place: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.syspath_prepend(place)
    name = f"failing_package_{len(fails)}"
    (place / name).mkdir()
    (place / name / "__init__.py").write_text(fails)

    assert found(place, handler=f"{name}.work:run") == []


@pytest.mark.parametrize("handler", ["no_such_module:run", "sys:exit", "registered.name"])
def test_what_is_not_there_is_for_others_to_say(place: Path, handler: str) -> None:
    assert found(place, handler=handler) == []
