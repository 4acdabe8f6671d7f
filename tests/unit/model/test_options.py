"""What a decorator may say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job, Retries, Timeout
from jobsched.model.options import HandlerOptions, handler_options, options_of


class Busy(Exception):  # noqa: N818 - as users name theirs
    pass


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, HandlerOptions()),
        ({"retries": 5}, HandlerOptions(retries=Retries(5))),
        (
            {"retries": {"max": 3, "delay": "1m", "backoff": "linear", "retry_on": [OSError]}},
            HandlerOptions(
                retries=Retries(3, backoff="linear", delay=timedelta(minutes=1), retry_on=("builtins.OSError",))
            ),
        ),
        ({"no_retry_on": ["Busy", Busy]}, HandlerOptions(retries=Retries(no_retry_on=("Busy", f"{__name__}.Busy")))),
        ({"timeout": 90}, HandlerOptions(timeout=Timeout(timedelta(seconds=90)))),
        ({"timeout": timedelta(minutes=1)}, HandlerOptions(timeout=Timeout(timedelta(minutes=1)))),
        (
            {"timeout": {"after": "1m", "kill_after": "5s"}},
            HandlerOptions(timeout=Timeout(timedelta(minutes=1), timedelta(seconds=5))),
        ),
        ({"queue": "mail", "priority": -1}, HandlerOptions(queue="mail", priority=-1)),
    ],
)
def test_options_are_spelled_as_in_the_file(given: dict[str, Any], expected: HandlerOptions) -> None:
    assert replace(handler_options(**given), given=frozenset()) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"queue": "my queue"}, "is no name of a queue"),
        ({"priority": "high"}, "is no whole number"),
        ({"priority": True}, "is no whole number"),
        ({"retries": -1}, "max=-1 is no number of further attempts"),
        ({"retries": "3"}, "max='3' is no number"),
        ({"retries": {"attempts": 3}}, "retries has no 'attempts'"),
        ({"retries": {"backoff": "quick"}}, "backoff='quick' is none of"),
        ({"retries": {"factor": 0}}, "factor=0 is no number from 1 to 1000"),
        ({"retries": {"delay": "soon"}}, "'soon' is no duration"),
        ({"retry_on": ConnectionError}, "a list of exception classes"),
        ({"retry_on": "OSError"}, "a list of exception classes"),
        ({"timeout": 0}, "must be more than 0"),
        ({"timeout": {"kill_after": 3}}, "a mapping of `after`"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_written(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        handler_options(**given)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, set()),
        ({"queue": "mail", "priority": 1}, set()),
        ({"retries": 5}, {"retries.max"}),
        ({"retries": {"delay": "1s"}, "retry_on": [OSError]}, {"retries.delay", "retries.retry_on"}),
        ({"timeout": 1}, {"timeout.after"}),
        ({"timeout": {"after": 1, "kill_after": 1}}, {"timeout.after", "timeout.kill_after"}),
    ],
)
def test_the_parts_that_are_given_are_named(given: dict[str, Any], parts: set[str]) -> None:
    assert handler_options(**given).given == parts


SECONDS = {n: timedelta(seconds=n) for n in (1, 2, 3, 10)}
DECORATED: dict[str, Any] = {
    "retries": {
        "max": 3,
        "backoff": "linear",
        "delay": 3,
        "factor": 3,
        "max_delay": 3,
        "jitter": 0.3,
        "retry_on": ["Three"],
        "no_retry_on": ["NotThree"],
    },
    "timeout": {"after": 3, "kill_after": 3},
}
OF_THE_FILE: dict[str, Any] = {
    "max": 2,
    "backoff": "constant",
    "delay": SECONDS[2],
    "factor": 2.5,
    "max_delay": SECONDS[2],
    "jitter": 0.2,
    "retry_on": ("Two",),
    "no_retry_on": ("NotTwo",),
}


def a_job(given: set[str], retries: Retries | None = None, timeout: Timeout | None = None) -> Job:
    return Job(
        namespace="default",
        name="work",
        handler=PythonHandler("work"),
        retries=retries or Retries(),
        timeout=timeout,
        given=frozenset(given),
    )


@pytest.mark.parametrize("part", OF_THE_FILE)
def test_each_part_of_retries_is_the_jobs_else_the_decorators_else_the_defaults(part: str) -> None:
    said, file = handler_options(**DECORATED), Retries(**OF_THE_FILE)
    assert said.retries is not None

    own = options_of(a_job({f"retries.{part}"}, file), said).retries
    decorated = options_of(a_job(set(), file), said).retries
    silent = options_of(a_job(set(), file), handler_options(timeout=1)).retries

    assert own == replace(said.retries, **{part: OF_THE_FILE[part]})
    assert decorated == said.retries
    assert silent == file


@pytest.mark.parametrize(
    ("given", "of_the_file", "decorated", "expected"),
    [
        (set(), None, None, None),
        (set(), None, 3, Timeout(SECONDS[3], SECONDS[10])),
        (set(), Timeout(SECONDS[2], SECONDS[2]), None, Timeout(SECONDS[2], SECONDS[2])),
        (set(), Timeout(SECONDS[2], SECONDS[2]), 3, Timeout(SECONDS[3], SECONDS[2])),
        ({"timeout.after"}, Timeout(SECONDS[1]), {"after": 3, "kill_after": 3}, Timeout(SECONDS[1], SECONDS[3])),
        ({"timeout.after", "timeout.kill_after"}, None, {"after": 3, "kill_after": 3}, None),
    ],
)
def test_each_part_of_the_timeout_is_the_jobs_else_the_decorators_else_the_defaults(
    given: set[str], of_the_file: Timeout | None, decorated: Any, expected: Timeout | None
) -> None:
    said = handler_options(timeout=decorated)

    assert options_of(a_job(given, timeout=of_the_file), said).timeout == expected
