"""jobsched run."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.errors import Failure
from jobsched.cli.node_metrics import Address, address_of, answering_scrapes
from jobsched.cli.output import say
from jobsched.cli.target import NamespaceName, database_of, database_option, files, paths_argument, prepare
from jobsched.cli.waiting import prepare_when_reachable, wait_option, when_reachable

if TYPE_CHECKING:
    from jobsched.cli.health_file import HealthFile
    from jobsched.cli.http_server import Place
    from jobsched.cli.node_files import NodeFiles
    from jobsched.cli.node_signals import Signals
    from jobsched.cli.systemd import Systemd
    from jobsched.model.desired import Settings
    from jobsched.runner.options import Options
    from jobsched.runner.runner import Runner
    from jobsched.store.port import Store

log = logging.getLogger("jobsched")

#: EX_TEMPFAIL of sysexits.h: nothing is wrong that starting it anew does not mend.
_WORN_OUT = 75


@click.command("run")
@paths_argument
@database_option
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    type=NamespaceName(),
    metavar="NAME",
    help="Run what the database has of these namespaces, without files; may be repeated.",
)
@click.option(
    "--threads", type=click.IntRange(1, 1000), metavar="N", help="Handlers at once; default 8, or the file's."
)
@click.option("--queues", metavar="A,B", help="Serve these queues only.")
@click.option("--until-idle", is_flag=True, help="Fire what is due, wait for those runs and their retries, and end.")
@click.option("--no-watch", is_flag=True, help="Do not reload when the files change.")
@click.option("--no-sync", is_flag=True, help="Run what the database has; the files only name it.")
@click.option("--last-good", is_flag=True, help="Should the files be invalid, run what the database has.")
@click.option("--strict-permissions", is_flag=True, help="Refuse files and modules that others may change.")
@click.option("--migrate", is_flag=True, help="Upgrade an older schema first.")
@wait_option
@click.option("--http", metavar="[HOST:]PORT", help="Serve the HTTP API too, as `jobsched serve` does.")
@click.option(
    "--health-file",
    envvar="JOBSCHED_HEALTH_FILE",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the file fresh while the loops turn, for `jobsched health`; else JOBSCHED_HEALTH_FILE.",
)
@click.option(
    "--metrics",
    callback=address_of,
    metavar="[ADDRESS:]PORT",
    help="Answer scrapes of Prometheus at http://ADDRESS:PORT/metrics; 127.0.0.1 unless it is given.",
)
@click.option(
    "--metrics-host",
    "metrics_hosts",
    multiple=True,
    metavar="NAME",
    help="Answer those who ask for this host name; may be repeated. Needed where ADDRESS is no loopback; * is any name.",
)
@click.option("--log-format", type=click.Choice(["auto", "text", "json"]), help="text on a terminal, else json.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def command(**asked: Any) -> None:
    """Sync jobs.yaml (or the PATHs), watch it, and schedule and execute its jobs until a signal.

    SIGTERM or Ctrl-C: stop claiming, wait for what runs, give back the rest. A second one: at once. SIGHUP: reload.
    """
    from jobsched.cli.container_init import split_from_init

    split_from_init()
    raise SystemExit(_run(_Asked(**asked)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line says."""

    paths: Sequence[Path]
    database: str | None
    namespaces: tuple[str, ...]
    threads: int | None
    queues: str | None
    until_idle: bool
    no_watch: bool
    no_sync: bool
    last_good: bool
    strict_permissions: bool
    migrate: bool
    wait_for_db: bool
    http: str | None
    health_file: Path | None
    metrics: Address | None
    metrics_hosts: tuple[str, ...]
    log_format: str | None
    verbose: bool


def _run(asked: _Asked) -> int:
    """The exit code, once the node has ended."""
    from jobsched.cli import nodelog
    from jobsched.cli.health_file import HealthFile
    from jobsched.cli.node_files import read_files
    from jobsched.cli.node_options import log_format_of, options_of
    from jobsched.cli.node_signals import Signals
    from jobsched.cli.systemd import Systemd
    from jobsched.clock import SystemClock
    from jobsched.store.open import open_store

    place = _place(asked.http)
    systemd, health = Systemd(SystemClock()), HealthFile(SystemClock(), asked.health_file)
    stop = Signals(systemd)
    chosen = files(asked.paths)
    no_sync = asked.no_sync or bool(asked.namespaces)
    read = read_files(chosen, last_good=asked.last_good, no_sync=no_sync, database=asked.database)
    settings = read.desired.settings
    options = options_of(settings, threads=asked.threads, queues=asked.queues, once=asked.until_idle)
    nodelog.set_up(log_format_of(asked.log_format, settings), verbose=asked.verbose)
    url = database_of(asked.database, read.desired)
    store = open_store(url)
    try:
        health.begin()
        if not _prepared(store, asked, stop):
            return 0
        runner = _runner(store, asked, chosen, read, options)
        del read  # the runner lets go of the files' jobs once they are in the store; so must whoever made it
        # A signal may have come by now: then there is nothing to begin.
        with answering_scrapes(runner, asked.metrics, asked.metrics_hosts), _served(runner, url, settings, place):
            return _live(runner, stop, systemd, health, asked) if _started(runner, asked, stop) else 0
    finally:
        store.close()
        health.remove()


def _prepared(store: "Store", asked: _Asked, stop: "Signals") -> bool:
    """Whether the store is ready; not if a signal came while it was waited for."""
    if asked.wait_for_db:
        return prepare_when_reachable(store, migrate=asked.migrate, tell=log.warning, stopped=lambda: stop.asked)
    prepare(store, migrate=asked.migrate)
    return True


def _runner(store: "Store", asked: _Asked, chosen: list[Path], read: "NodeFiles", options: "Options") -> "Runner":
    """The node, put together; its handlers are imported."""
    from jobsched.cli.handler_check import put_on_path
    from jobsched.cli.node_options import imports_of
    from jobsched.client import Client
    from jobsched.config.permissions import exposures
    from jobsched.handlers.registry import default_registry
    from jobsched.runner.runner import Runner

    imports, followed = imports_of(read.desired.settings), chosen if read.followed else ()
    put_on_path(chosen)
    vet = partial(exposures, followed, imports)
    _heed_exposures(vet(read.desired), strict=asked.strict_permissions)
    default_registry.imports(imports)
    return Runner(
        Client(store, namespace=read.desired.namespace),
        namespaces=asked.namespaces,
        options=options,
        registry=default_registry,
        desired=None if asked.namespaces else read.desired,
        paths=followed,
        seen=read.seen,
        refused=read.refused,
        watch=not (asked.no_watch or asked.until_idle),
        vet=vet if asked.strict_permissions else lambda _: (),
    )


def _place(http: str | None) -> "Place | None":
    from jobsched.cli.http_server import place_of

    try:
        return None if http is None else place_of(http)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--http") from None


@contextmanager
def _served(runner: "Runner", url: str, settings: "Settings", place: "Place | None") -> Iterator[None]:
    """The HTTP API meanwhile, also while the node waits for its handlers at the end.

    Over connections of its own: whoever asks much must not keep the node from its heartbeats.
    """
    if place is None:
        yield
        return
    from jobsched.cli.http_server import open_server
    from jobsched.client import Client

    with Client(url, namespace=runner.client.namespace) as client:
        server = open_server(client, settings, place, alive=lambda: runner.turning)
        server.start()
        log.info("serving namespace %s at http://%s", client.namespace, server.address)
        try:
            yield
        finally:
            server.stop()
            server.join()


def _heed_exposures(found: list[str], *, strict: bool) -> None:
    """Refuse, or warn."""
    if not found:
        return
    if strict:
        raise Failure("others may change what this node runs:\n" + "\n".join(found))
    more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
    log.warning("others may change what this node runs (--strict-permissions refuses that): %s%s", found[0], more)


def _started(runner: "Runner", asked: _Asked, stop: "Signals") -> bool:
    """Whether the node has begun; not if a signal came before. The database may have gone again since it was ready."""
    from jobsched.runner import garbage

    if stop.asked:
        return False
    if asked.wait_for_db:
        return when_reachable(lambda: runner.start(garbage.settle), tell=log.warning, stopped=lambda: stop.asked)
    runner.start(garbage.settle)
    return True


def _live(runner: "Runner", stop: "Signals", systemd: "Systemd", health: "HealthFile", asked: _Asked) -> int:
    stop.connect(runner)
    systemd.ready(runner)
    health.ready(runner)
    failed: list[int] = []
    try:
        if asked.until_idle:
            failed = runner.wait_until_idle()
        else:
            runner.wait()
    finally:
        systemd.ending()
        health.ending()
        saved = runner.shut_down()
    for run_id in failed:
        say(f"run {run_id} failed; see: jobsched logs {run_id}", err=True)
    if runner.worn_out:
        return _WORN_OUT
    return 0 if saved and not failed else 1
