"""What a program may hand over as a payload: a JSON object of at most 1 MiB; what is refused is not enqueued."""

from datetime import UTC, datetime
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
        ({"number": float("nan")}, r"no JSON: payload\['number'\] is nan; pass None or a text"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, r"payload\['at'\] is of type datetime: pass value.isoformat\(\)"),
        ({"set": {1}}, "no JSON"),
        ({"lone": "\ud800"}, "lone surrogate"),
        ([1], "a JSON object, not list"),
    ],
)
def test_a_payload_that_cannot_be_kept_is_refused_and_nothing_is_enqueued(
    either_bench: "Bench", payload: Any, words: str
) -> None:
    bench = either_bench
    bench.declare("work", performs=CommandHandler(("true",)))

    with pytest.raises(PayloadError, match=words):
        bench.client.enqueue("work", payload)
    with pytest.raises(PayloadError, match=words):
        bench.client.trigger("work", payload)

    assert bench.client.runs() == []
