"""What a handler is enqueued by: its own parameters, at run time and for mypy.

Each `type: ignore` stands where mypy has to refuse a line: `make types` fails where it no longer does.
"""

import asyncio
import inspect
import pickle
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

import pytest

from jobsched import AsyncClient, Client, Context, Enqueue, handler
from jobsched.errors import PayloadError
from jobsched.handlers.registry import Registry
from jobsched.model.enqueue import EnqueueOptions
from jobsched.model.run import Created

Asked = tuple[str, dict[str, Any], dict[str, Any]]


class Recorder:
    """Stands for a client: what it was asked for is its answer."""

    def enqueue(self, name: str, payload: dict[str, Any], **options: Any) -> Asked:
        return name, payload, options


CLIENT = Recorder()
registry = Registry()


@handler("tests.enqueueing.send", retries=5)
def send(ctx: Context, to: str, subject: str = "none") -> str:
    """Send it."""
    return f"{to}: {subject}"


@registry.handler("fetch")
async def fetch(url: str, *, depth: int = 1) -> int:
    return depth


@registry.handler
def keep(thing: object, *, place: str = "here") -> None: ...


@registry.handler
def gather(*numbers: int, **named: int) -> None: ...


def test_it_is_the_function_itself() -> None:
    def plain(ctx: Context, to: str) -> str:
        """Send it."""
        return to

    decorated = Registry().handler("plain")(plain)

    assert decorated is plain
    assert inspect.isfunction(send)
    assert (send.__name__, send.__doc__) == ("send", "Send it.")
    assert list(inspect.signature(send).parameters) == ["ctx", "to", "subject"]
    assert inspect.iscoroutinefunction(fetch)
    assert not inspect.iscoroutinefunction(send)


def test_it_is_called_and_awaited_as_before() -> None:
    assert send(None, "ana") == "ana: none"  # type: ignore[arg-type]
    assert asyncio.run(fetch("/", depth=3)) == 3


def test_it_is_pickled_as_any_function_is_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(send)) is send


def test_it_is_enqueued_by_its_name_with_its_arguments_as_the_payload() -> None:
    assert send.enqueue(CLIENT, to="ana", subject="hi") == (
        "tests.enqueueing.send",
        {"to": "ana", "subject": "hi"},
        {},
    )


def test_arguments_given_by_place_get_their_names_and_the_context_has_no_place() -> None:
    assert send.enqueue(CLIENT, "ana", "hi")[1] == {"to": "ana", "subject": "hi"}
    assert send.payload("ana", subject="hi") == {"to": "ana", "subject": "hi"}


def test_a_default_is_left_to_the_code_that_performs_it() -> None:
    assert send.payload(to="ana") == {"to": "ana"}


def test_options_say_how_the_run_is_made_and_the_later_word_counts() -> None:
    urgent = send.options(queue="urgent", priority=-1, delay="10m")

    assert urgent.options(delay="1m").enqueue(CLIENT, to="ana")[2] == {
        "queue": "urgent",
        "priority": -1,
        "delay": "1m",
    }
    assert urgent.enqueue(CLIENT, "ana")[2] == {"queue": "urgent", "priority": -1, "delay": "10m"}


def test_a_parameter_may_be_named_as_what_enqueues_it() -> None:
    @registry.handler("named")
    def named(client: str, self: str) -> None: ...

    assert named.enqueue(CLIENT, client="a", self="b")[1] == {"client": "a", "self": "b"}


def test_a_first_parameter_of_any_type_is_filled_from_the_payload() -> None:
    assert keep.enqueue(CLIENT, 7, place="there")[1] == {"thing": 7, "place": "there"}


def test_any_names_are_taken_by_a_function_that_takes_any() -> None:
    assert gather.payload(a=1, b=2) == {"a": 1, "b": 2}


def test_what_does_not_fit_is_refused_before_a_run_is_made_of_it() -> None:
    with pytest.raises(PayloadError, match=r"the arguments do not fit 'tests.enqueueing.send': 'to' is missing$"):
        send.enqueue(CLIENT, subject="hi")  # type: ignore[call-arg]
    with pytest.raises(PayloadError, match="'subjct' is unexpected; it takes 'subject', 'to'"):
        send.enqueue(CLIENT, to="ana", subjct="hi")  # type: ignore[call-arg]
    with pytest.raises(PayloadError, match="3 are given by place, and it takes 'subject', 'to'"):
        send.enqueue(CLIENT, "ana", "hi", "high")  # type: ignore[call-arg]
    with pytest.raises(PayloadError, match="'to' is given by place and by name"):
        send.enqueue(CLIENT, "ana", to="ana")  # type: ignore[misc]
    with pytest.raises(PayloadError, match="2 are given by place"):
        gather.payload(1, 2)


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"options\(\) has no 'dealy'; it has batch, concurrency_key, connection, delay"
    ):
        send.options(dealy="10m")  # type: ignore[call-arg]


def test_the_options_are_those_of_the_client() -> None:
    taken = set(EnqueueOptions.__annotations__)

    assert taken == set(inspect.signature(Client.enqueue).parameters) - {"self", "handler", "payload"}
    assert taken == set(Enqueue._fields) - {"handler", "payload"} | {"connection"}


def test_a_callable_that_can_have_no_attributes_is_a_handler_all_the_same() -> None:
    assert registry.handler("print")(print) is print


async def what_mypy_says(client: Client, waiting: AsyncClient, ctx: Context) -> None:
    assert_type(send(ctx, "ana"), str)
    assert_type(await fetch("/"), int)
    assert_type(send.enqueue(client, to="ana"), Created)
    assert_type(send.enqueue(waiting, to="ana"), Coroutine[Any, Any, Created])  # type: ignore[unused-coroutine]
    later = fetch.options(delay="10m", unique_key="k")
    assert_type(await later.enqueue(waiting, url="/", depth=2), Created)
    client.enqueue_many(Enqueue(send, send.payload(to=name)) for name in ("ana", "bob"))
    client.enqueue(send, {"to": "ana"})
    performs: Callable[[Context, str], str] = send
    performs(ctx, "ana")

    send(ctx, 7)  # type: ignore[arg-type]
    send("ana")  # type: ignore[call-arg, arg-type]
    send.enqueue(client)  # type: ignore[call-arg]
    send.enqueue(client, to=7)  # type: ignore[arg-type]
    send.enqueue(client, ctx, "ana", "hi")  # type: ignore[call-arg, arg-type]
    send.enqueue("sqlite:///jobs.db", to="ana")  # type: ignore[arg-type]
    await fetch.enqueue(client, url="/")  # type: ignore[misc]
    send.options(delay=[]).enqueue(client, to="ana")  # type: ignore[arg-type]
    send.options(delay="10m").enqueue(client, too="ana")  # type: ignore[call-arg]
    send.payload(to=7)  # type: ignore[arg-type]
    registry.handler("wrong")(7)  # type: ignore[call-overload]
