"""jobsched sync."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.target import (
    database_of,
    database_option,
    files,
    load_and_warn,
    paths_argument,
    prepare,
    text_output_option,
)
from jobsched.cli.waiting import prepare_when_reachable, wait_option


@click.command("sync")
@paths_argument
@database_option
@click.option(
    "--allow-delete", is_flag=True, help="Remove jobs even if they are all, or more than half and more than five."
)
@click.option("--migrate", is_flag=True, help="Upgrade an older schema first.")
@wait_option
@text_output_option
def command(
    paths: Sequence[Path], *, database: str | None, allow_delete: bool, migrate: bool, wait_for_db: bool, output: str
) -> None:
    """Make the database equal jobs.yaml (or the PATHs), in one transaction, as a new generation."""
    from jobsched.cli.plan_command import print_plan
    from jobsched.config.commit import commit_of
    from jobsched.store.open import open_store
    from jobsched.sync.apply import sync
    from jobsched.sync.report import sync_as_json
    from jobsched.who import who

    chosen = files(paths)
    with progress("reading the files", hidden=output == "json"):
        desired = load_and_warn(chosen)
    store = open_store(database_of(database, desired))
    try:
        if wait_for_db:
            prepare_when_reachable(store, migrate=migrate, tell=lambda text: say(text, err=True))
        else:
            prepare(store, migrate=migrate)
        desired = replace(desired, commit=commit_of([Path(file) for file in desired.files]))
        with progress(f"syncing {len(desired.jobs):,} jobs", hidden=output == "json"):
            report = sync(store, desired, applied_by=who(), allow_delete=allow_delete)
    finally:
        store.close()
    if output == "json":
        print_json(sync_as_json(report))
    elif report.outcome == "applied" and report.plan is not None and report.generation is not None:
        print_plan(report.plan, desired)
        say(f"generation {report.generation.number} applied to {store.name}")
    else:
        current = f"generation {report.generation.number} is current" if report.generation else "there is no job yet"
        say(f"{desired.namespace}: nothing to do, {current}")
