"""What a program may hand over as a payload: a JSON object of at most 1 MiB; what is refused is not enqueued."""

from typing import TYPE_CHECKING, Any

import pytest

from jobsched.errors import PayloadError
from jobsched.model.handler import CommandHandler

if TYPE_CHECKING:
    from tests.runner.conftest import Bench


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"text": "x" * 2 * 1024 * 1024}, "at most 1,048,576"),
        ({"number": float("nan")}, "no JSON"),
        ({"set": {1}}, "no JSON"),
        ({"lone": "\ud800"}, "lone surrogate"),
        ([1], "a JSON object, not list"),
    ],
)
def test_a_payload_that_cannot_be_kept_is_refused_and_nothing_is_enqueued(
    bench: "Bench", payload: Any, words: str
) -> None:
    bench.declare("work", performs=CommandHandler(("true",)))

    with pytest.raises(PayloadError, match=words):
        bench.client.enqueue("work", payload)
    with pytest.raises(PayloadError, match=words):
        bench.client.trigger("work", payload)

    assert bench.client.runs() == []
