"""What `@handler` gives a function: `send.enqueue(client, to="a@b.c")`, by its own parameters, for type checkers too."""

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from jobsched.errors import PayloadError
from jobsched.handlers.context import Context
from jobsched.handlers.parameters import Parameters
from jobsched.model.enqueue import EnqueueOptions

#: How it is called, and what it is enqueued with: the same without the context.
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
# By its bound, a first parameter of type `object` is none: it is filled from the payload.
C = TypeVar("C", bound=Context | None)

_OPTIONS = frozenset(EnqueueOptions.__annotations__)


class Enqueues(Protocol[T_co]):
    """A `Client`; or an `AsyncClient`, whose answer is awaited."""

    @property
    def enqueue(self) -> Callable[..., T_co]: ...


class HandlerFunction(Protocol[P, R_co, Q]):
    """A function with `@handler`: itself, called and awaited as before, with three attributes."""

    __name__: str
    __qualname__: str
    __module__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def enqueue(self, client: Enqueues[T], /, *args: Q.args, **kwargs: Q.kwargs) -> T:
        """Make a run of it with these arguments, without the context: as `Client.enqueue`. Raises PayloadError as `payload`."""

    def options(self, /, **options: Unpack[EnqueueOptions]) -> "Enqueueing[Q]":
        """How the run is to be made, as `Client.enqueue` takes it: `send.options(delay="10m").enqueue(client, …)`."""

    def payload(self, /, *args: Q.args, **kwargs: Q.kwargs) -> dict[str, Any]:
        """These arguments as a payload, for `Enqueue` and `Client.trigger`. Raises PayloadError if they do not fit."""


class Decorator(Protocol):
    """What `@handler(…)` is: of the parameters, a context that comes first is not the payload's."""

    @overload
    def __call__(self, function: Callable[Concatenate[C, Q], R], /) -> HandlerFunction[Concatenate[C, Q], R, Q]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> HandlerFunction[P, R, P]: ...


class Enqueueing(Generic[Q]):
    """A handler by its name, with how its runs are to be made."""

    __slots__ = ("_name", "_options", "_parameters")

    def __init__(self, name: str, parameters: Parameters, options: EnqueueOptions) -> None:
        if unknown := sorted(options.keys() - _OPTIONS):
            raise TypeError(f"options() has no {unknown[0]!r}; it has {', '.join(sorted(_OPTIONS))}")
        self._name, self._parameters, self._options = name, parameters, options

    def options(self, /, **options: Unpack[EnqueueOptions]) -> "Enqueueing[Q]":
        """These besides; the later word counts."""
        return Enqueueing(self._name, self._parameters, {**self._options, **options})

    def enqueue(self, client: Enqueues[T], /, *args: Q.args, **kwargs: Q.kwargs) -> T:
        """Make a run with these arguments: as `Client.enqueue`. Raises PayloadError if they do not fit."""
        if not hasattr(client, "enqueue"):
            raise TypeError(f"{client!r:.80} is no client: give one first, then the arguments of {self._name!r}")
        return client.enqueue(self._name, self.payload(*args, **kwargs), **self._options)

    def payload(self, /, *args: Q.args, **kwargs: Q.kwargs) -> dict[str, Any]:
        """These arguments by their names. Raises PayloadError if they do not fit."""
        named = self._parameters.named(args)
        if named is None:
            raise self._unfit(f"{len(args)} are given by place, and it takes {self._parameters.taken}")
        if twice := sorted(named.keys() & kwargs.keys()):
            raise self._unfit(f"{twice[0]!r} is given by place and by name")
        payload = {**named, **kwargs}
        if problem := self._parameters.problem(payload):
            raise self._unfit(problem)
        return payload

    def _unfit(self, problem: str) -> PayloadError:
        return PayloadError(f"the arguments do not fit {self._name!r}: {problem}")
