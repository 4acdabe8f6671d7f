import dataclasses
import enum
import json
import uuid
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic
import pytest

from jobsched.errors import ResultError
from jobsched.handlers.result import MAX_BYTES, json_result


@dataclasses.dataclass
class Point:
    x: int
    at: datetime


class Model(pydantic.BaseModel):
    name: str
    price: Decimal


class Failing(pydantic.BaseModel):
    name: str = "x"

    @pydantic.field_serializer("name")
    def fail(self, value: str) -> str:
        raise RuntimeError("on purpose")


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - plain ones exist
AT = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (-1.5, -1.5),
        ("grün", "grün"),
        ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
        ((1, 2), [1, 2]),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "a"}, {"1": "a"}),
        ({Colour.RED: Colour.RED}, {"red": "red"}),
        (Number.ONE, 1),
        (AT, "2026-03-29T01:00:00Z"),
        (date(2026, 3, 29), "2026-03-29"),
        (timedelta(minutes=1), "PT1M"),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/tmp/x"), "/tmp/x"),
        (b"bytes", "bytes"),
        ({1}, [1]),
        (Point(1, AT), {"x": 1, "at": "2026-03-29T01:00:00Z"}),
        (Model(name="a", price=Decimal("2.5")), {"name": "a", "price": "2.5"}),
        ([{"deep": Model(name="\x00", price=Decimal(1))}], [{"deep": {"name": "\\u0000", "price": "1"}}]),
        ("a\x00b", "a\\u0000b"),
        ("\ud800", "\\ud800"),
        ({"\x00": ["\udfff"]}, {"\\u0000": ["\\udfff"]}),
    ],
)
def test_a_result_is_turned_into_json(value: Any, result: Any) -> None:
    found = json_result(value)

    assert found == result
    assert type(found) is type(result)
    assert json.loads(json.dumps(found)) == result


def test_the_result_is_a_copy_that_the_handler_cannot_change_any_more() -> None:
    mine = {"items": [1]}

    result = json_result(mine)
    mine["items"].append(2)

    assert result == {"items": [1]}


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def endless() -> Iterator[int]:
    while True:
        yield 1


async def asynchronous() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), r"^result is of type object"),
        ({"a": [0, object()]}, r"^result\['a'\]\[1\] is of type object, which cannot be turned into JSON"),
        (float("nan"), "^result is nan, which JSON cannot hold"),
        ([float("-inf")], r"^result\[0\] is -inf"),
        (Point(float("nan"), AT), r"^result\['x'\] is nan"),  # type: ignore[arg-type]
        ({(1, object()): 1}, "^a key of result is of type dict|cannot be turned"),
        (b"\xff", "^result is of type bytes"),
        (endless(), "^result is of type generator.*`yield`"),
        ({"rows": iter([1])}, r"^result\['rows'\] is of type list_iterator"),
        (asynchronous(), "^result is of type async_generator"),
        (circular(), r"^result\[0\]\[0\].*contains itself"),
        (Failing(), "^result is of type .*Failing, which cannot be turned into JSON: .*on purpose"),
        pytest.param(10**5000, "cannot be written as JSON", id="many digits"),
        (print, "of type builtin_function_or_method"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_type_and_place(value: Any, words: str) -> None:
    with pytest.raises(ResultError, match=words):
        json_result(value)


def test_a_result_of_exactly_1_mib_passes_and_a_byte_more_does_not() -> None:
    text = "x" * (MAX_BYTES - 2)

    assert json_result(text) == text
    with pytest.raises(ResultError, match="1,048,577 bytes as JSON, more than 1 MiB"):
        json_result(text + "x")


def test_the_limit_counts_bytes_not_characters() -> None:
    with pytest.raises(ResultError, match="more than 1 MiB"):
        json_result("ü" * (MAX_BYTES // 2))
