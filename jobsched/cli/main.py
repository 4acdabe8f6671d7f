"""The group of commands. Each is imported only when it is called, so that `jobsched --help` is quick."""

from importlib import import_module
from typing import Any

import click

from jobsched._version import __version__
from jobsched.cli.errors import explained

#: Command → (module, what it does). The modules are imported when their command is.
COMMANDS = {
    "init": ("init", "Write a first jobs.yaml."),
    "validate": ("validate", "Check files: what is wrong and where. No database, no network."),
    "plan": ("plan", "Show what sync would do."),
    "sync": ("sync", "Make the database equal the files."),
    "run": ("run", "Sync, watch, schedule and execute until a signal."),
    "serve": ("serve", "Serve the dashboard and the HTTP API."),
    "create": ("create", "Declare a job at run time, beside those of files."),
    "update": ("update", "Change a job that was declared at run time."),
    "remove": ("remove", "Remove a job that was declared at run time."),
    "next": ("next", "Show the next slots: of all jobs, of one, of an expression."),
    "list": ("list", "List the jobs."),
    "show": ("show", "Show one job."),
    "status": ("status", "Show nodes, queues and the newest generation."),
    "alert": ("alert", "Show what people are alerted of; test who is told."),
    "doctor": ("doctor", "Look for what is wrong, and say what to do."),
    "health": ("health", "Say whether this machine's node is alive, for probes."),
    "metrics": ("metrics", "Print metrics for Prometheus, or alerting rules."),
    "stats": ("stats", "Count runs by queue, job and state."),
    "runs": ("runs", "List runs, newest first."),
    "audit": ("audit", "Show who did what by hand."),
    "why": ("why", "Say what became of a job's slots, and why."),
    "logs": ("logs", "Show what a run wrote."),
    "trigger": ("trigger", "Run a job now."),
    "enqueue": ("enqueue", "Make a run of a handler that a module registers."),
    "exec": ("exec", "Perform a job here and now, without a database."),
    "pause": ("pause", "Hold jobs, a queue or everything still, until resumed."),
    "resume": ("resume", "End pauses."),
    "cancel": ("cancel", "Cancel runs, waiting or running."),
    "requeue": ("requeue", "Run failed, cancelled or skipped runs again."),
    "delete": ("delete", "Delete runs that are over, with their logs."),
    "backfill": ("backfill", "Run slots of the past that did not run."),
    "prune": ("prune", "Delete finished runs that are no longer kept."),
    "backup": ("backup", "Copy an SQLite database while it is in use."),
    "schema": ("schema", "Print the JSON Schema of jobs.yaml."),
    "db": ("db", "Look after the database's schema."),
    "completion": ("completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """Knows its commands by name; an unknown one gets the nearest as a suggestion."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"jobsched.cli.{COMMANDS[cmd_name][0]}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # While a shell completes, nothing is an error.
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = " or ".join(repr(one) for one in difflib.get_close_matches(name, COMMANDS, 2, cutoff=0.7))
            hint = f" Did you mean {near}?" if near else " See: jobsched --help"
            raise click.UsageError(f"no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with explained():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", "-V", prog_name="jobsched", message="%(prog)s %(version)s")
def cli() -> None:
    """A declarative job scheduler: jobs in YAML, state in SQLite or PostgreSQL.

    Edit jobs.yaml, `jobsched validate` it, and `jobsched run` does the rest.
    """
