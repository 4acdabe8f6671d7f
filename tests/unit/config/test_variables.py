"""References to the environment: read at load, resolved at use."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from jobsched.config.database import database_url
from jobsched.config.variables import check, is_from_environment, required, resolve
from jobsched.errors import MissingVariableError
from jobsched.model.desired import DesiredState, Settings


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("plain $A $(b) %", "plain $A $(b) %"),
        ("${A}", "one"),
        ("x${A}y${A}", "xoney" + "one"),
        ("${B:-two}", "two"),
        ("${A:-two}", "one"),
        ("${EMPTY}", ""),
        ("${EMPTY:-two}", "two"),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("${NESTED}", "${A}"),
    ],
)
def test_a_reference_is_replaced_by_its_value_or_default(text: str, resolved: str) -> None:
    check(text)

    assert resolve(text, {"A": "one", "EMPTY": "", "NESTED": "${A}"}) == resolved


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariableError, match=r"the environment has no variable TOKEN; set it, or give a default"):
        resolve("${TOKEN}", {})


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1A}", "${A-b}", "${A:b}", "a ${A B}"])
def test_a_reference_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begins a reference like"):
        check(text)


def test_variables_without_default_are_required() -> None:
    assert required("${A}${B:-b}$${C}${D}") == ["A", "D"]


def test_only_a_lone_reference_with_a_value_comes_from_the_environment() -> None:
    assert is_from_environment("${A:-x}", {"A": "y"})
    assert not is_from_environment("${A:-x}", {})
    assert not is_from_environment("sqlite:///${A}", {"A": "y"})


@pytest.mark.parametrize(
    ("written", "environ", "url"),
    [
        (None, {}, None),
        ("sqlite:///jobs.db", {}, "sqlite:////srv/app/jobs.db"),
        ("sqlite:///jobs.db?mode=x", {}, "sqlite:////srv/app/jobs.db?mode=x"),
        ("sqlite:////var/jobs.db", {}, "sqlite:////var/jobs.db"),
        ("sqlite:///~/jobs.db", {}, "sqlite:///~/jobs.db"),
        ("sqlite:///:memory:", {}, "sqlite:///:memory:"),
        ("${DB:-sqlite:///jobs.db}", {}, "sqlite:////srv/app/jobs.db"),
        ("${DB:-sqlite:///jobs.db}", {"DB": "sqlite:///here.db"}, "sqlite:///here.db"),
        ("sqlite:///${NAME}.db", {"NAME": "x"}, "sqlite:////srv/app/x.db"),
        ("postgresql://u:${P}@h/d", {"P": "p"}, "postgresql://u:p@h/d"),
    ],
)
def test_a_relative_database_of_a_file_lies_beside_it(
    written: str | None, environ: dict[str, str], url: str | None
) -> None:
    state = DesiredState(
        namespace="default",
        jobs={},
        settings=Settings(database=written),
        content_hash="",
        settings_file="/srv/app/jobs.yaml",
    )

    assert database_url(state, environ) == url


@pytest.mark.parametrize("name", ["feature%2Fmain", "what?", "a b \u00fc #1"])
def test_a_database_lies_beside_its_file_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    state = DesiredState(
        namespace="default",
        jobs={},
        settings=Settings(database="sqlite:///my%20jobs.db"),
        content_hash="",
        settings_file=str(folder / "jobs.yaml"),
    )

    url = make_url(str(database_url(state, {})))

    assert (url.database, dict(url.query)) == (str(folder.resolve() / "my jobs.db"), {})
