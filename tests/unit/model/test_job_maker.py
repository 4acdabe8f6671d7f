"""Jobs made by the thousand are those that their class makes."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job, Retries
from jobsched.model.job_maker import job_maker

ARGUMENTS: dict[str, Any] = {
    "namespace": "shop",
    "name": "nightly",
    "handler": PythonHandler("billing:close"),
    "cron": ("0 3 * * *",),
    "retries": Retries(max=3),
}


def test_a_job_made_as_one_of_many_is_the_job() -> None:
    job = job_maker(10_000)(**ARGUMENTS)

    assert type(job) is Job
    assert job == Job(**ARGUMENTS)
    assert repr(job) == repr(Job(**ARGUMENTS))


def test_a_job_made_as_one_of_many_cannot_be_changed() -> None:
    job = job_maker(10_000)(**ARGUMENTS)

    with pytest.raises(FrozenInstanceError):
        job.name = "other"  # type: ignore[misc]


def test_jobs_made_as_many_share_no_payload() -> None:
    one, other = (job_maker(10_000)(**ARGUMENTS) for _ in range(2))

    assert one.payload == {}
    assert one.payload is not other.payload


@pytest.mark.parametrize("arguments", [{"name": "nightly"}, {**ARGUMENTS, "nope": 1}])
def test_arguments_that_no_job_has_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        job_maker(10_000)(**arguments)


def test_for_a_few_jobs_no_maker_is_made() -> None:
    assert job_maker(10) is Job
