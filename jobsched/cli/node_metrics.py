"""Where a node answers scrapes: `run --metrics`."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from jobsched.cli.errors import Failure
from jobsched.hosts import is_loopback

if TYPE_CHECKING:
    from jobsched.runner.runner import Runner

log = logging.getLogger("jobsched")


class Address(NamedTuple):
    host: str
    port: int


def address_of(_context: click.Context, _option: click.Parameter, text: str | None) -> Address | None:
    """`127.0.0.1:9464`, `[::1]:9464`; a port alone is on loopback. Port 0 is any free one."""
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535 or (colon and not host):
        raise click.BadParameter(f"{text!r} is no address and port, like 127.0.0.1:9464")
    return Address(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


@contextmanager
def answering_scrapes(runner: "Runner", address: Address | None, hosts: Collection[str]) -> Iterator[None]:
    """Within it the runner's metrics are to be had at this address, if there is one. Raises Failure, before it is entered."""
    if address is None:
        if hosts:
            raise Failure("--metrics-host is of no use without --metrics ADDRESS:PORT")
        yield
        return
    if not hosts and not is_loopback(address.host):
        raise Failure(
            f"--metrics {address.host}:{address.port} would show job names to whoever reaches that address, without a "
            "password; if that is meant, name what scrapes ask for: --metrics-host NAME (an IP address is always answered)"
        )
    from jobsched.observe.metrics.exposition import whole_process
    from jobsched.observe.metrics.server import MetricsServer
    from jobsched.runner.metrics import NodeMetrics

    metrics = NodeMetrics(runner, beside=[whole_process()])
    try:
        server = MetricsServer(*address, metrics.text, {host.lower() for host in hosts})
    except OSError as error:
        raise Failure(f"cannot answer scrapes at {address.host}:{address.port}: {error.strerror or error}") from None
    log.info("metrics at http://%s/metrics", server.address)
    server.start()
    try:
        yield
    finally:
        server.close()
