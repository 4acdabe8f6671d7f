import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobsched.errors import UnknownHandlerError
from jobsched.handlers.registry import Registry, default_registry, handler
from jobsched.model.job import Retries, Timeout


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_is_found_under_its_registered_name(registry: Registry) -> None:
    @registry.handler("email.send")
    def send() -> None: ...

    assert registry.resolve("email.send").function is send
    assert registry.names == ["email.send"]


def test_the_bare_decorator_registers_module_and_function(registry: Registry) -> None:
    @registry.handler
    def bare() -> None: ...

    [name] = registry.names
    assert name == f"{__name__}:{bare.__qualname__}"
    assert registry.resolve(name).function is bare


def test_the_module_level_decorator_registers_in_the_default_registry() -> None:
    @handler("tests.of.default")
    def function() -> None: ...

    assert default_registry.resolve("tests.of.default").function is function


@pytest.mark.parametrize("option", ["concurrency", "nonsense"])
def test_an_option_that_is_none_is_refused(registry: Registry, option: str) -> None:
    with pytest.raises(ValueError, match=f"@handler has no option '{option}'; it has no_retry_on, priority, queue"):
        registry.handler("a", **{option: 1})


def test_options_are_kept_with_the_handler(registry: Registry) -> None:
    @registry.handler("a", retries=5, queue="mail", timeout="30s", retry_on=[ConnectionError])
    def function() -> None: ...

    options = registry.resolve("a").options
    assert options.retries == Retries(5, retry_on=("builtins.ConnectionError",))
    assert (options.queue, options.priority, options.timeout) == ("mail", None, Timeout(timedelta(seconds=30)))


@pytest.mark.parametrize("name", ["", "a b", "mod:fn", '{"command"', "x" * 201, "-a"])
def test_a_bad_name_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a handler"):
        registry.handler(name)(lambda: None)


def test_two_functions_cannot_share_a_name(registry: Registry) -> None:
    @registry.handler("a")
    def one() -> None: ...

    with pytest.raises(ValueError, match="two handlers are named 'a'"):

        @registry.handler("a")
        def two() -> None: ...


def test_a_module_loaded_again_replaces_its_own_handlers(registry: Registry) -> None:
    def make() -> object:
        @registry.handler("a")
        def function() -> None: ...

        return function

    make()
    second = make()

    assert registry.resolve("a").function is second


def test_an_import_path_is_imported_once(registry: Registry, modules: Path) -> None:
    (modules / "billing_once.py").write_text("def send(): pass\n")

    first = registry.resolve("billing_once:send")

    assert first.function is sys.modules["billing_once"].send
    assert registry.resolve("billing_once:send") is first


def test_a_nested_attribute_is_reached(registry: Registry, modules: Path) -> None:
    (modules / "billing_nested.py").write_text("class Mail:\n    @staticmethod\n    def send(): return 1\n")

    assert registry.resolve("billing_nested:Mail.send").function() == 1


def test_by_its_import_path_a_decorated_function_is_the_registered_one(registry: Registry, modules: Path) -> None:
    (modules / "billing_decorated.py").write_text("def send(): pass\n")
    registry.imports(["billing_decorated"])
    registry.handler("email.send")(sys.modules["billing_decorated"].send)

    assert registry.resolve("billing_decorated:send").name == "email.send"


@pytest.mark.parametrize(
    ("source", "path", "words"),
    [
        (None, "no_such_module:send", r"cannot import module 'no_such_module': ModuleNotFoundError.*sys\.path"),
        ("import no_such_dependency", "{m}:send", "ModuleNotFoundError: No module named 'no_such_dependency'$"),
        ("def send(:", "{m}:send", "cannot import module .*SyntaxError"),
        ("1 / 0", "{m}:send", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "{m}:send", "SystemExit: 3"),
        ("def send(): pass", "{m}:sned", "has no 'sned'; did you mean 'send'?"),
        ("class A: pass", "{m}:A.send", "'A' of module .* has no 'send'"),
        ("send = 3", "{m}:send", "of type int, which cannot be called"),
        ("", "{m}:", "write module:callable"),
        ("", ":send", "write module:callable"),
        ("", "{m}:a:b", "write module:callable"),
        ("", "../{m}:send", "write module:callable"),
    ],
)
def test_what_cannot_be_imported_says_why(
    registry: Registry, modules: Path, source: str | None, path: str, words: str, request: pytest.FixtureRequest
) -> None:
    module = f"billing_bad_{abs(hash(request.node.name))}"
    if source is not None:
        (modules / f"{module}.py").write_text(source + "\n")

    with pytest.raises(UnknownHandlerError, match=words) as raised:
        registry.resolve(path.format(m=module))

    assert raised.value.handler == path.format(m=module)


def test_an_import_that_failed_is_tried_again(registry: Registry, modules: Path) -> None:
    with pytest.raises(UnknownHandlerError):
        registry.resolve("billing_late:send")

    (modules / "billing_late.py").write_text("def send(): pass\n")

    assert registry.resolve("billing_late:send").name == "billing_late:send"


def test_an_unregistered_name_says_what_to_do(registry: Registry) -> None:
    registry.handler("email.send")(lambda: None)

    with pytest.raises(UnknownHandlerError, match=r"did you mean 'email\.send'\? .*settings\.imports"):
        registry.resolve("email.sent")


def test_an_import_path_that_is_not_allowed_is_not_imported(modules: Path) -> None:
    (modules / "billing_forbidden.py").write_text("raise SystemError('imported')\n")
    registry = Registry(allowed=lambda path: path == "jobs:declared")

    with pytest.raises(UnknownHandlerError, match="no job declares this import path"):
        registry.resolve("billing_forbidden:send")


def test_what_is_allowed_is_asked_each_time(modules: Path) -> None:
    (modules / "billing_removed.py").write_text("def send(): pass\n")
    declared = {"billing_removed:send"}
    registry = Registry(allowed=declared.__contains__)
    registry.resolve("billing_removed:send")

    declared.clear()

    with pytest.raises(UnknownHandlerError):
        registry.resolve("billing_removed:send")


def test_a_registered_name_needs_no_allowance() -> None:
    registry = Registry(allowed=lambda _: False)
    registry.handler(test_a_registered_name_needs_no_allowance)

    [name] = registry.names
    assert registry.resolve(name).name == name


def test_imports_names_the_module_that_fails(registry: Registry) -> None:
    with pytest.raises(UnknownHandlerError, match="cannot import module 'no_such_module'") as raised:
        registry.imports(["json", "no_such_module"])

    assert raised.value.handler == "no_such_module"
