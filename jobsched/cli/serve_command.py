"""jobsched serve."""

import logging
import signal
from types import FrameType
from typing import TYPE_CHECKING

import click

from jobsched.cli.http_server import DEFAULT_HOST, DEFAULT_PORT, Place, open_server, proxies_of
from jobsched.cli.target import (
    DEFAULT_FILE,
    database_option,
    find_target,
    namespace_option,
    refuse_other_schema,
    refuse_wrong_folder,
)
from jobsched.errors import SchemaError, StoreUnavailableError

if TYPE_CHECKING:
    from jobsched.model.desired import Settings
    from jobsched.store.port import Store
    from jobsched.web.server import Server

log = logging.getLogger("jobsched")


@click.command("serve")
@click.option("--host", default=DEFAULT_HOST, show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name that requests may be for, beside localhost and what settings.api.hosts lists; may be repeated.",
)
@click.option("--root-path", default="", metavar="PATH", help="Where a proxy puts it: /jobsched.")
@click.option(
    "--trust-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    callback=proxies_of,
    help="A proxy, or a network of them, whose word on clients is taken (X-Forwarded-For, X-Forwarded-Proto); may be repeated. "
    "Without it, nobody's.",
)
@database_option
@namespace_option
@click.option("--log-format", type=click.Choice(["auto", "text", "json"]), help="text on a terminal, else json.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def command(
    *,
    host: str,
    port: int,
    names: tuple[str, ...],
    root_path: str,
    proxies: tuple[str, ...],
    database: str | None,
    namespace: str | None,
    log_format: str | None,
    verbose: bool,
) -> None:
    """Serve the dashboard and the HTTP API until a signal. It executes nothing: that is for `jobsched run`, here or on other machines.

    Without a token it listens on a loopback address alone. JOBSCHED_API_TOKEN is the token of those who may do everything,
    JOBSCHED_API_TOKEN_OPERATE that of those who may not declare, enqueue or delete, JOBSCHED_API_TOKEN_READ that of those
    who may look; JOBSCHED_API_TOKENS, or the file JOBSCHED_API_TOKENS_FILE, has many with names: ci:operate:TOKEN.
    """
    from jobsched.cli import nodelog
    from jobsched.cli.node_options import log_format_of
    from jobsched.client import Client
    from jobsched.store.open import open_store

    target, settings = find_target(database, namespace), _settings()
    nodelog.set_up(log_format_of(log_format, settings), verbose=verbose)
    refuse_wrong_folder(target)
    store = open_store(target.url, create=False)
    try:
        _check(store)
        place = Place(host, port, names, root_path, proxies)
        server = open_server(Client(store, namespace=target.namespace), settings, place)
        _heed_signals(server)
        log.info("serving namespace %s of %s at http://%s%s", target.namespace, store.name, server.address, root_path)
        server.serve_until_stopped()
    finally:
        store.close()


def _settings() -> "Settings":
    """Those of ./jobs.yaml, if it is there."""
    from jobsched.config.load import read_head
    from jobsched.model.desired import Settings

    return read_head([DEFAULT_FILE]).settings if DEFAULT_FILE.exists() else Settings()


def _check(store: "Store") -> None:
    """Raises SchemaError. A database that is away may come back: until then requests are told so."""
    try:
        status = store.schema()
    except StoreUnavailableError as error:
        log.warning("the database cannot be reached now: %s", error)
        return
    if status.state == "missing":
        raise SchemaError(f"{store.name} holds no jobsched tables yet; run: jobsched sync, or jobsched run")
    refuse_other_schema(status, store.name)


def _heed_signals(server: "Server") -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
