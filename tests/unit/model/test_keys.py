"""Concurrency keys: what a reference into the payload becomes."""

from typing import Any

import pytest

from jobsched.model.keys import LONGEST_KEY, as_key, declared_for, key_for

PAYLOAD: dict[str, Any] = {
    "region": "eu",
    "number": 7,
    "yes": True,
    "none": None,
    "list": [1],
    "map": {"id": "x"},
    "nul": "a\0b",
}


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        ("gpu", "gpu"),
        ("payload", "payload"),
        ("payload.region", "payload.region=eu"),
        ("payload.number", "payload.number=7"),
        ("payload.yes", "payload.yes=true"),
        ("payload.map.id", "payload.map.id=x"),
        ("payload.none", "payload.none=null"),
        ("payload.missing", "payload.missing=null"),
        ("payload.list", "payload.list=null"),
        ("payload.map", "payload.map=null"),
        ("payload.region.deeper", "payload.region.deeper=null"),
        ("payload.nul", r"payload.nul=a\u0000b"),
    ],
)
def test_a_declared_key_becomes_the_key_of_a_run(declared: str, key: str) -> None:
    assert key_for(declared, PAYLOAD) == key
    assert declared_for(key) == (None if declared == key else declared)


def test_a_long_value_becomes_a_digest() -> None:
    [one, other] = [key_for("payload.text", {"text": "x" * 1000 + end}) for end in "ab"]

    assert one != other
    assert max(len(one), len(other)) <= LONGEST_KEY
    assert declared_for(one) == "payload.text"


@pytest.mark.parametrize("wrong", ["", "x" * (LONGEST_KEY + 1), "a\0b", "\ud800"])
def test_what_cannot_be_a_key_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a concurrency key has 1 to 200 characters"):
        as_key(wrong)
