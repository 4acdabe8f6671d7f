"""What `retry_on` may call an error."""

import pytest

from jobsched.errors import CommandError, HandlerTimeoutError, HttpError
from jobsched.handlers.raised import from_json, names_of, to_json


class RefusedError(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (RefusedError(), "RefusedError"),
        (RefusedError(), f"{__name__}.RefusedError"),
        (RefusedError(), "OSError"),
        (RefusedError(), "builtins.Exception"),
        (HandlerTimeoutError(), "jobsched.errors.HandlerTimeoutError"),
        (CommandError("", 75), "exit 75"),
        (HttpError("", 503), "status 503"),
    ],
)
def test_an_error_goes_by_these_names(error: Exception, name: str) -> None:
    assert name in names_of(error)


@pytest.mark.parametrize("error", [CommandError("did not start"), HttpError("not answered"), RefusedError()])
def test_what_has_no_number_goes_by_none(error: Exception) -> None:
    assert not [name for name in names_of(error) if " " in name]


def test_an_error_from_another_process_goes_by_the_same_names() -> None:
    error = RefusedError()

    assert names_of(from_json(to_json(error))) == names_of(error)
