"""What a handler can be called with, read once from its signature, so that a payload can be judged before the call."""

import inspect
import re
import types
import typing
from collections.abc import Callable, KeysView, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from jobsched.handlers.context import Context

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Parameters:
    """`accepted` None: the function cannot be looked into, so anything may do. `open`: it takes `**anything`."""

    takes_context: bool = False
    required: frozenset[str] = frozenset()
    accepted: frozenset[str] | None = None
    open: bool = False
    reserved: frozenset[str] = frozenset()  #: names that the context takes
    unreachable: tuple[str, ...] = ()  #: positional-only parameters without a default
    in_order: tuple[str, ...] = ()  #: those that may be given by place, as Python calls them

    def problem(self, payload: Mapping[str, Any]) -> str | None:
        """What keeps this payload from being the keyword arguments; None if nothing does."""
        if self.fit(payload.keys()):
            return None
        problems = []
        if self.unreachable:
            problems.append(f"its parameters {_names(self.unreachable)} cannot be given by name; remove the `/`")
        if missing := self.missing(payload):
            problems.append(f"{_names(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        if unexpected := self.unexpected(payload):
            verb = "is" if len(unexpected) == 1 else "are"
            problems.append(f"{_names(unexpected)} {verb} unexpected; it takes {self.taken}")
        return " and ".join(problems) or None

    def fit(self, given: KeysView[str]) -> bool:
        """`problem` is None: in no more steps than that takes, because each attempt asks."""
        if self.unreachable:
            return False
        if given == self.accepted:  # type: ignore[comparison-overlap]  # a view of keys may equal a set
            return True
        if not self.required <= given:
            return False
        return self.accepted is None or (self.reserved.isdisjoint(given) if self.open else given <= self.accepted)

    def missing(self, payload: Mapping[str, Any]) -> list[str]:
        """Required ones that the payload has not, sorted."""
        return sorted(self.required - payload.keys())

    def unexpected(self, payload: Mapping[str, Any]) -> list[str]:
        """Keys of the payload that are no parameters, sorted."""
        if self.accepted is None:
            return []
        return sorted(payload.keys() & self.reserved if self.open else payload.keys() - self.accepted)

    def named(self, args: Sequence[Any]) -> dict[str, Any] | None:
        """Arguments given by place, by their names; None if there are more of them than places."""
        return dict(zip(self.in_order, args, strict=False)) if len(args) <= len(self.in_order) else None

    @property
    def taken(self) -> str:
        """The names that may be given, for people."""
        return _names(self.accepted) if self.accepted else "nothing"


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Never raises: some callables written in C have no signature, and are then called with whatever the payload is."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return Parameters()
    takes_context = bool(found) and found[0].kind in _POSITIONAL and _is_context(found[0].annotation, function)
    rest = found[1:] if takes_context else found
    context_names = {found[0].name} if takes_context and found[0].kind in _NAMED else set()
    return Parameters(
        takes_context=takes_context,
        required=frozenset(one.name for one in rest if one.kind in _NAMED and one.default is one.empty),
        accepted=frozenset(one.name for one in rest if one.kind in _NAMED),
        open=any(one.kind is one.VAR_KEYWORD for one in rest),
        reserved=frozenset(context_names),
        in_order=tuple(one.name for one in rest if one.kind is one.POSITIONAL_OR_KEYWORD),
        unreachable=tuple(one.name for one in rest if one.kind is one.POSITIONAL_ONLY and one.default is one.empty),
    )


def _is_context(annotation: Any, function: Callable[..., Any]) -> bool:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        evaluated = _evaluated(annotation, function)
        return _names_context(annotation) if evaluated is None else _is_context(evaluated, function)
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _is_context(typing.get_args(annotation)[0], function)
    if origin in (typing.Union, types.UnionType):
        return any(_is_context(part, function) for part in typing.get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, Context)


def _evaluated(text: str, function: Callable[..., Any]) -> Any:
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__={"first": text}), names)["first"]
    except Exception:  # noqa: BLE001 - evaluating an annotation runs what its module wrote, and that may fail in any way
        return None


def _names_context(text: str) -> bool:
    """Judged by its words: the name is imported for type checkers only, so it cannot be evaluated."""
    words = re.findall(r"[\w.]+", text)
    return any(word == "Context" or re.fullmatch(r"(\w+\.)*jobsched(\.\w+)*\.Context", word) for word in words)


def _names(names: typing.Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
