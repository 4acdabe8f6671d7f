"""Text and JSON on their way into a database."""

import json
import re
from typing import Any

import pytest

from jobsched.errors import PayloadError
from jobsched_sql.texts import clean, encode, encode_anyhow
from jobsched_sqlite import statements


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("città ☃ 🎉", "città ☃ 🎉"),
        ("a\0b", "a\\x00b"),
        ("a\ud800b", "a\\ud800b"),
        ("\0\udfff", "\\x00\\udfff"),
    ],
)
def test_text_that_no_database_takes_is_shown_as_escapes(text: str, stored: str) -> None:
    assert clean(text) == stored


@pytest.mark.parametrize("value", [None, True, 2**70, 1e300, "città", "a\0b", "\ud800", {"b": [1, {"a": None}]}])
def test_json_comes_back_as_it_was(value: Any) -> None:
    encoded = encode(value)

    assert json.loads(encoded) == value
    assert encoded.encode()
    assert "\0" not in encoded


def test_readable_text_stays_readable_in_the_database() -> None:
    assert encode({"name": "città"}) == '{"name":"città"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", object()])
def test_what_json_cannot_hold_is_refused_as_a_payload(value: Any) -> None:
    with pytest.raises(PayloadError, match="cannot be stored as JSON"):
        encode({"value": value})


def test_what_json_cannot_hold_is_noted_instead_of_a_result() -> None:
    endless: list[Any] = []
    endless.append(endless)

    noted = [json.loads(encode_anyhow(value)) for value in (float("nan"), object(), endless)]

    assert [note["unstorable"] for note in noted] == ["float", "object", "list"]


def test_no_statement_for_sqlite_numbers_its_parameters() -> None:
    """Python 3.12 warns of `?1` with a sequence, which is how all are given; 3.14 refuses it."""
    texts = [text for text in vars(statements).values() if isinstance(text, str)]

    assert [text for text in texts if re.search(r"\?\d", text)] == []
