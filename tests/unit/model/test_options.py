"""What a decorator may say."""

from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.job import Retries, Timeout
from jobsched.model.options import HandlerOptions, handler_options


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
    assert handler_options(**given) == expected


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


def test_what_is_given_is_named() -> None:
    assert handler_options(queue="mail", timeout=1).given == ["queue", "timeout"]
