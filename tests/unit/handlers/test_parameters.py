from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

import jobsched.handlers.context
from jobsched.errors import PayloadError
from jobsched.handlers.context import Context
from jobsched.handlers.parameters import parameters_of
from jobsched.handlers.registry import Registry, check_payload

if TYPE_CHECKING:
    from collections.abc import Callable


class Mine:
    """A class of a handler's own module."""


# Each of these annotations is text when it is looked at, as in any module that begins as this one does.
def plain(ctx: Context, a: int) -> None: ...
def optional(ctx: Optional[Context], a: int) -> None: ...  # noqa: UP045 - as people write it
def union(ctx: Context | None, a: int) -> None: ...
def annotated(ctx: Annotated[Context, "note"], a: int) -> None: ...
def dotted(ctx: jobsched.handlers.context.Context, a: int) -> None: ...
def default(ctx: Context | None = None, a: int = 1) -> None: ...
def without(a: int) -> None: ...
def untyped(ctx, a): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
def other(ctx: Mine, a: int) -> None: ...
def keyword(*, ctx: Context, a: int) -> None: ...
def nothing() -> None: ...


def evaluated(annotation: Any) -> Callable[..., None]:
    def function(ctx, a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    function.__annotations__["ctx"] = annotation
    return function


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (plain, True),
        (optional, True),
        (union, True),
        (annotated, True),
        (dotted, True),
        (default, True),
        (evaluated(Context), True),
        (evaluated(Context | None), True),
        (evaluated(Optional[Context]), True),  # noqa: UP045 - the object of typing
        (evaluated("Context"), True),
        (evaluated("jobsched.Context"), True),
        (evaluated("NotThere | Context"), True),
        (without, False),
        (untyped, False),
        (other, False),
        (keyword, False),
        (nothing, False),
        (evaluated("ssl.SSLContext"), False),
        (evaluated("decimal.Context"), False),
        (evaluated(3), False),
    ],
)
def test_a_first_parameter_is_the_context_only_if_annotated_so(function: Callable[..., Any], takes: bool) -> None:
    assert parameters_of(function).takes_context is takes


def test_a_bound_method_and_a_partial_are_looked_into() -> None:
    class Mail:
        def send(self, ctx: Context, to: str) -> None: ...

    assert parameters_of(Mail().send).takes_context
    assert parameters_of(functools.partial(plain, a=1)).takes_context


def keywords(ctx: Context, a: int, **rest: Any) -> None: ...
def defaults(a: int, b: int = 2, *, c: int, d: int = 4) -> None: ...
def positional(a: int, /, b: int) -> None: ...
def starred(*args: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "payload"),
    [
        (plain, {"a": 1}),
        (keywords, {"a": 1, "more": 2}),
        (defaults, {"a": 1, "c": 3}),
        (defaults, {"a": 1, "b": 2, "c": 3, "d": 4}),
        (nothing, {}),
        (starred, {}),
        (dict, {"any": 1}),
    ],
)
def test_a_payload_that_fits_passes(function: Callable[..., Any], payload: dict[str, Any]) -> None:
    check_payload(_registered(function), payload)


@pytest.mark.parametrize(
    ("function", "payload", "words"),
    [
        (plain, {}, "'a' is missing"),
        (plain, {"a": 1, "ctx": 2}, "'ctx' is unexpected; it takes 'a'"),
        (plain, {"b": 1}, "'a' is missing and 'b' is unexpected; it takes 'a'"),
        (keywords, {"a": 1, "ctx": 2}, "'ctx' is unexpected"),
        (defaults, {}, "'a', 'c' are missing"),
        (nothing, {"x": 1, "y": 1}, "'x', 'y' are unexpected; it takes nothing"),
        (positional, {"a": 1, "b": 2}, "'a' cannot be given by name; remove the `/`"),
        (starred, {"args": 1}, "'args' is unexpected; it takes nothing"),
    ],
)
def test_a_payload_that_does_not_fit_is_said_in_words(
    function: Callable[..., Any], payload: dict[str, Any], words: str
) -> None:
    with pytest.raises(PayloadError) as raised:
        check_payload(_registered(function), payload)

    assert str(raised.value).startswith("the payload does not fit 'it': ")
    assert words in str(raised.value)


def _registered(function: Callable[..., Any]) -> Any:
    registry = Registry()
    registry.handler("it")(function)
    return registry.resolve("it")
