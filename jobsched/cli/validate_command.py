"""jobsched validate."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobsched.cli.errors import print_diagnostic
from jobsched.cli.output import print_json, say
from jobsched.cli.target import files, paths_argument

if TYPE_CHECKING:
    from jobsched.config.diagnostics import Diagnostic
    from jobsched.model.desired import DesiredState


@click.command("validate")
@paths_argument
@click.option(
    "--handlers", is_flag=True, help="Import Python handlers too, and check payloads against their signatures."
)
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option(
    "--format",
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Form of the output.",
)
def command(paths: Sequence[Path], *, handlers: bool, strict: bool, form: str) -> None:
    """Check jobs.yaml (or the PATHs): every error in one pass, with its place. No database, no network.

    Exit code 0 when valid, 1 with errors (with --strict also with warnings), 2 on wrong usage.
    """
    from jobsched.clock import SystemClock
    from jobsched.config.load import check

    chosen = files(paths)
    loaded = check(chosen, os.environ, now=SystemClock().now())
    diagnostics = list(loaded.diagnostics)
    if handlers and loaded.state is not None:
        from jobsched.cli.handler_check import check_handlers

        diagnostics += check_handlers(loaded.state, loaded.documents, chosen)
    _report(diagnostics, form, loaded.state, strict=strict)
    errors = [found for found in diagnostics if strict or found.severity == "error"]
    if errors:
        raise SystemExit(1)


def _report(diagnostics: "Sequence[Diagnostic]", form: str, state: "DesiredState | None", *, strict: bool) -> None:
    from jobsched.config.diagnostics import as_github, as_json

    if form == "json":
        print_json([as_json(found) for found in diagnostics])
        return
    for found in diagnostics:
        if form == "github":
            say(as_github(found))
        else:
            print_diagnostic(found)
    if form == "text":
        say(_summary(diagnostics, state, strict=strict))


def _summary(diagnostics: "Sequence[Diagnostic]", state: "DesiredState | None", *, strict: bool) -> str:
    errors = sum(found.severity == "error" for found in diagnostics)
    warnings = len(diagnostics) - errors
    told = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    if strict and warnings and not errors:
        return f"{told[0]}: not valid, since --strict makes errors of warnings"
    if state is not None and not errors:
        told.insert(0, f"{len(state.jobs)} job{'' if len(state.jobs) == 1 else 's'}, valid")
    return ", ".join(told)
