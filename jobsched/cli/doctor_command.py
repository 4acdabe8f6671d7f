"""jobsched doctor."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.output import print_json, print_table, say
from jobsched.cli.target import (
    DEFAULT_FILE,
    NOTHING_HERE,
    WAYS_OUT,
    Target,
    database_of,
    database_option,
    files,
    find_target,
    may_be_wrong_folder,
    namespace_option,
    output_option,
    paths_argument,
)
from jobsched.clock import SystemClock
from jobsched.errors import StoreError

if TYPE_CHECKING:
    from jobsched.model.desired import DesiredState
    from jobsched.observe.doctor.finding import Facts, Finding, Machine
    from jobsched.store.port import Store


@click.command("doctor")
@paths_argument
@database_option
@namespace_option
@output_option
def command(paths: Sequence[Path], *, database: str | None, namespace: str | None, output: str) -> None:
    """Look for what is wrong: with the database, the nodes, the files, the work; and say what to do.

    With PATHs, or ./jobs.yaml, it also looks whether they are what is applied. Nothing is changed. Run it as the user of the node.
    """
    examined = _examine(paths, database, namespace)
    findings = _findings(examined)
    if output == "json":
        print_json([as_json(finding) for finding in findings])
    else:
        print_table(["LEVEL", "CHECK", "FOUND"], [_row(finding) for finding in findings], empty="", wrapped="FOUND")
        counts = [sum(finding.level == level for finding in findings) for level in ("error", "warning")]
        say(f"\n{counts[0]} error{'' if counts[0] == 1 else 's'}, {counts[1]} warning{'' if counts[1] == 1 else 's'}")
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _Examined:
    """What is looked at. `state`: what the files declare, if they are valid and of this namespace."""

    target: Target
    paths: tuple[Path, ...] = ()
    state: "DesiredState | None" = None
    error: str | None = None


def _examine(paths: Sequence[Path], database: str | None, namespace: str | None) -> _Examined:
    """Raises ConfigError when only the files could say which database it is, and do not."""
    if not paths and not DEFAULT_FILE.exists():
        return _Examined(find_target(database, namespace))
    from jobsched.config.load import check, read_head

    chosen = tuple(files(paths))
    loaded = check(chosen, os.environ)
    errors = [str(found) for found in loaded.diagnostics if found.severity == "error"]
    given = database or os.environ.get("JOBSCHED_DATABASE_URL")
    state = loaded.state
    head = state or (None if given and namespace else read_head(chosen))
    url = given or database_of(None, head) if head is not None else str(given)
    target = Target(url, namespace or (head.namespace if head is not None else "default"))
    if state is not None and state.namespace != target.namespace:
        return _Examined(target)
    return _Examined(target, chosen, state, None if state is not None else errors[0])


def _findings(examined: _Examined) -> "list[Finding]":
    from jobsched.observe.doctor import diagnose
    from jobsched.observe.doctor.database import unfit, unreachable
    from jobsched.observe.doctor.finding import Finding
    from jobsched.store.open import open_store

    if may_be_wrong_folder(examined.target):
        return [Finding("error", "database", NOTHING_HERE, WAYS_OUT)]
    store = open_store(examined.target.url, create=False)
    try:
        status = store.schema()
        if (finding := unfit(status)) is not None:
            return [finding]
        return diagnose(_facts(store, examined))
    except StoreError as error:
        return [unreachable(str(error))]
    finally:
        store.close()


def _facts(store: "Store", examined: _Examined) -> "Facts":
    from jobsched.observe.doctor.alerts import unsent
    from jobsched.observe.doctor.finding import Facts

    namespace = examined.target.namespace
    machine = _machine(store, examined)
    inspection = store.inspect(namespace)
    actual = store.actual(namespace)
    return Facts(
        namespace=namespace,
        now=store.now(),
        schema=store.schema(),
        inspection=inspection,
        newest=actual.generation,
        nodes=tuple(store.nodes()),
        jobs=tuple(actual.jobs.values()),
        pauses=tuple(actual.pauses),
        failing=store.failing_jobs(namespace),
        unsent=tuple(store.runs(unsent(namespace, store.now()))),
        untold=tuple(store.untold([namespace])),
        machine=replace(machine, exposures=_exposures(examined, getattr(inspection.database, "files", ()))),
    )


def _machine(store: "Store", examined: _Examined) -> "Machine":
    from jobsched.observe.doctor.finding import Machine

    clock = SystemClock()
    before, instant, after = clock.now(), store.now(), clock.now()
    # The store answered somewhere between question and answer: take the middle.
    skew: timedelta = instant - before - (after - before) / 2
    state = examined.state
    return Machine(skew=skew, file_hash=None if state is None else state.content_hash, file_error=examined.error)


def _exposures(examined: _Examined, database_files: Sequence[str]) -> tuple[str, ...]:
    from jobsched.cli.handler_check import put_on_path
    from jobsched.cli.node_options import imports_of
    from jobsched.config.permissions import exposures
    from jobsched.model.desired import DesiredState

    state = examined.state or DesiredState(namespace=examined.target.namespace, jobs={}, content_hash="")
    if examined.paths:
        put_on_path(examined.paths)
    return tuple(exposures([*examined.paths, *map(Path, database_files)], imports_of(state.settings), state))


def _row(finding: "Finding") -> list[str]:
    return [finding.level, finding.check, finding.what + (f"\n-> {finding.do}" if finding.do else "")]


def as_json(finding: "Finding") -> dict[str, Any]:
    return {
        "level": finding.level,
        "check": finding.check,
        "what": finding.what,
        "seen": dict(finding.seen),
        "do": finding.do,
    }
