"""The first minutes: a first file, and what the command line says of itself."""

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

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
