"""Which Python function a handler's name stands for: registered with `@handler`, or imported as `module:callable`."""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Concatenate, TypeVar, overload

from jobsched.errors import PayloadError, UnknownHandlerError
from jobsched.handlers.enqueueing import C, Decorator, Enqueueing, HandlerFunction, P, Q, R
from jobsched.handlers.parameters import Parameters, parameters_of
from jobsched.model.options import NO_OPTIONS, HandlerOptions, declared_names, declared_options, handler_options

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = frozenset(inspect.signature(handler_options).parameters)
#: What a handler may be registered under.
REGISTERED_NAME = re.compile(r"[A-Za-z_][\w.-]{0,199}", re.ASCII)
_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class RegisteredHandler:
    """A function under its name, with what it takes."""

    name: str
    function: Callable[..., Any]
    parameters: Parameters
    options: HandlerOptions = NO_OPTIONS


def check_payload(handler: RegisteredHandler, payload: Mapping[str, Any]) -> None:
    """Raise PayloadError if these are no keyword arguments for the handler."""
    if problem := handler.parameters.problem(payload):
        raise PayloadError(f"the payload does not fit {handler.name!r}: {problem}")


def _anything(_path: str) -> bool:
    return True


class Registry:
    """Handlers by name; thread-safe.

    `allowed` decides, each time, whether an import path may be used that nobody registered: what a store names is
    data, and only paths that a job declares are to be imported (DESIGN §12). Default: all.
    """

    def __init__(
        self,
        allowed: Callable[[str], bool] = _anything,
        options: dict[str, HandlerOptions] | None = None,
        names: MutableMapping[Callable[..., Any], str] | None = None,
    ) -> None:
        """`options`: where what decorators say is noted besides, for those who only know the handler's name; `names`:
        where that is, for those who have the function.
        """
        self.allowed = allowed
        self._options = {} if options is None else options
        self._names = {} if names is None else names
        self._registered: dict[str, RegisteredHandler] = {}
        self._imported: dict[str, RegisteredHandler] = {}

    @overload
    def handler(self, function: Callable[Concatenate[C, Q], R], /) -> HandlerFunction[Concatenate[C, Q], R, Q]: ...

    @overload
    def handler(self, function: Callable[P, R], /) -> HandlerFunction[P, R, P]: ...

    @overload
    def handler(self, name: str | None = None, /, **options: Any) -> Decorator: ...

    def handler(self, name: Any = None, /, **options: Any) -> Any:
        """Decorator: the function is a handler, under `name` (default: `module:function`). What comes out is the function
        itself, which has `enqueue`, `options` and `payload` from now on: see `HandlerFunction`.

        `options`, spelled as in jobs.yaml: `retries` (a number, or a mapping), `timeout`, and `retry_on` and `no_retry_on`
        (exception classes, or names) hold where a job does not say otherwise itself; `queue` and `priority` are for runs
        that are enqueued of it alone, since a job's are those of jobs.yaml. Raises ValueError on a bad or taken name, and on a bad option.
        """
        if unknown := sorted(options.keys() - _OPTIONS):
            raise ValueError(f"@handler has no option {unknown[0]!r}; it has {', '.join(sorted(_OPTIONS))}")
        read = handler_options(**options) if options else NO_OPTIONS
        if callable(name):
            return self._register(name, None, read)
        return lambda function: self._register(function, name, read)

    def _register(self, function: F, name: str | None, options: HandlerOptions) -> F:
        own = f"{function.__module__}:{function.__qualname__}"
        if name is not None and not REGISTERED_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name for a handler: letters, digits, dots, dashes and underscores, at most 200"
            )
        registered = RegisteredHandler(name or own, function, parameters_of(function), options)
        taken = self._registered.get(registered.name)
        # The same function again is its module loaded again, as a reload or a test does.
        if taken is not None and _origin(taken.function) != _origin(function):
            raise ValueError(f"two handlers are named {registered.name!r}: {_origin(taken.function)} and {own}")
        self._registered[registered.name] = registered
        self._options[registered.name] = options
        self._names[function] = registered.name
        self._imported.clear()
        _let_enqueue(function, Enqueueing(registered.name, registered.parameters, {}))
        return function

    def imports(self, modules: Iterable[str]) -> None:
        """Import modules so that they register their handlers. Raises UnknownHandlerError naming the first that fails."""
        for module in modules:
            _import(module, module)

    def limited_to(self, allowed: Callable[[str], bool]) -> "Registry":
        """The same handlers, with another say in which import paths may be used; for one runner among several."""
        view = Registry(allowed)
        view._registered, view._imported = self._registered, self._imported
        return view

    @property
    def names(self) -> list[str]:
        """Registered names, sorted."""
        return sorted(self._registered)

    def modules(self) -> set[str]:
        """Where the handlers known so far were defined."""
        known = [*self._registered.values(), *self._imported.values()]
        return {handler.function.__module__ for handler in known if hasattr(handler.function, "__module__")}

    def knows(self, name: str) -> bool:
        """Whether it is registered, or was imported before; imports nothing."""
        return name in self._registered or name in self._imported

    def registered(self, name: str) -> RegisteredHandler | None:
        """The handler registered under this name; what else it may stand for `resolve` looks up."""
        return self._registered.get(name)

    def resolve(self, name: str) -> RegisteredHandler:
        """The handler of this name. Raises UnknownHandlerError saying what failed; the next call tries again."""
        registered = self._registered.get(name)
        if registered is not None:
            return registered
        if ":" not in name:
            raise UnknownHandlerError(name, self._why_unregistered(name))
        if not self.allowed(name):
            raise UnknownHandlerError(
                name,
                "no job declares this import path, and it is not registered; "
                "decorate it with @handler and list its module in `settings.imports`",
            )
        imported = self._imported.get(name)
        if imported is None:
            imported = self._imported[name] = self._import(name)
        return imported

    def _import(self, path: str) -> RegisteredHandler:
        if not _IMPORT_PATH.fullmatch(path):
            raise UnknownHandlerError(path, "write module:callable, like billing.jobs:send_invoices")
        module_name, _, attributes = path.partition(":")
        function = _attribute(_import(module_name, path), attributes, path)
        if not callable(function):
            raise UnknownHandlerError(path, f"it is of type {type(function).__name__}, which cannot be called")
        # By its import path, a decorated function is the handler that it was registered as.
        for registered in list(self._registered.values()):
            if registered.function is function:
                return registered
        return RegisteredHandler(path, function, parameters_of(function))

    def _why_unregistered(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, self._registered, 1)
        hint = f"did you mean {nearest[0]!r}? Else " if nearest else ""
        return (
            f"nothing is registered under this name; {hint}list the module that registers it in `settings.imports`, "
            "or write module:callable"
        )


default_registry = Registry(options=declared_options, names=declared_names)
#: Registers in the registry that every runner of this process uses unless it is given another.
handler = default_registry.handler


def _let_enqueue(function: Callable[..., Any], enqueueing: Enqueueing[...]) -> None:
    """An attribute each. What can have none, like a method or what is written in C, is enqueued by `Client.enqueue`."""
    with suppress(AttributeError, TypeError):
        for name in ("enqueue", "options", "payload"):
            setattr(function, name, getattr(enqueueing, name))


def _origin(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _import(module: str, handler: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # importing runs whatever the module's top level does
        raise UnknownHandlerError(handler, _why_no_import(module, error)) from error


def _why_no_import(module: str, error: BaseException) -> str:
    why = f"cannot import module {module!r}: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name and (module + ".").startswith(error.name + "."):
        return f"{why}; is its folder on sys.path ({sys.path[0] or '.'} comes first)?"
    return why


def _attribute(module: Any, attributes: str, path: str) -> Any:
    found, place = module, f"module {module.__name__!r}"
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            nearest = difflib.get_close_matches(name, dir(found), 1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise UnknownHandlerError(path, f"{place} has no {name!r}{hint}") from None
        place = f"{name!r} of {place}"
    return found
