"""What the HTTP API is told: where it listens, and by what names it goes. From options, environment and files."""

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from jobsched.cli.errors import Failure
from jobsched.cli.http_tokens import MAKE_ONE, tokens_of
from jobsched.hosts import LOOPBACK_NAMES, is_loopback

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.desired import Settings
    from jobsched.web.access import Access
    from jobsched.web.server import Server

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8321


class Place(NamedTuple):
    """Where to listen, and what stands before it. `names`: what it goes by besides; `proxies`: whose word on clients is taken."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    names: Sequence[str] = ()
    root_path: str = ""
    proxies: Sequence[str] = ()


def place_of(text: str) -> Place:
    """`8321`, `127.0.0.1:8321`, `[::1]:8321`. Raises ValueError."""
    found = re.fullmatch(r"(?:(?P<host>[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):)?(?P<port>\d{1,5})", text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{text!r} is no address; write PORT or HOST:PORT, like 127.0.0.1:8321")
    return Place((found["host"] or DEFAULT_HOST).strip("[]"), int(found["port"]))


def proxies_of(_context: object, _option: object, given: Sequence[str]) -> tuple[str, ...]:
    """Addresses and networks, one or several in each. Raises click.BadParameter.

    Not `*`: whoever reaches the server could then say that he is anybody, which the limit on wrong tokens and the audit
    would believe.
    """
    import ipaddress

    named = tuple(name.strip() for each in given for name in each.split(","))
    for name in named:
        try:
            ipaddress.ip_network(name)
        except ValueError as error:
            raise click.BadParameter(f"{error}; name the proxies: 127.0.0.1, 10.0.0.0/24") from None
    return named


def open_server(
    client: "Client",
    settings: "Settings",
    place: Place,
    *,
    alive: Callable[[], bool] = lambda: True,
) -> "Server":
    """A server that listens already, and serves once it is started. Raises Failure."""
    try:
        from jobsched.web.app import Web
        from jobsched.web.server import Server, listen
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {
            "fastapi",
            "jinja2",
            "markupsafe",
            "starlette",
            "uvicorn",
            "pydantic",
        }:
            raise
        raise Failure(f"serving HTTP needs {missing.name!r}: pip install 'jobsched[web]'") from None
    access = access_of(settings, place)
    try:
        listening = listen(place.host, place.port)
    except OSError as error:
        raise Failure(f"cannot listen on {place.host} port {place.port}: {error.strerror or error}") from None
    web = Web(client, access, alive=alive, root_path=place.root_path)
    web.prepare()
    return Server(web, listening, trusted_proxies=place.proxies)


def access_of(settings: "Settings", place: Place) -> "Access":
    """Raises Failure, also for an address that others reach when there is no token."""
    from jobsched.web.access import Access

    api, loopback = settings.api, is_loopback(place.host)
    access = Access(
        tokens=tokens_of(api.tokens, os.environ),
        hosts=LOOPBACK_NAMES | {name.lower() for name in (place.host, *api.hosts, *place.names)},
        any_address=not loopback,
        allow_definitions=api.allow_definitions,
    )
    if access.open and not loopback:
        raise Failure(
            f"{place.host} is an address that others reach, and there is no token: set JOBSCHED_API_TOKEN "
            f"({MAKE_ONE}), or listen on {DEFAULT_HOST}"
        )
    if access.open and place.proxies:
        raise Failure(f"a proxy brings others here, and there is no token: set JOBSCHED_API_TOKEN ({MAKE_ONE})")
    return access
