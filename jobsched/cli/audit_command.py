"""jobsched audit."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobsched.cli.names import job_names
from jobsched.cli.output import Cell, Roomy, print_json, print_table, say
from jobsched.cli.since import since_of
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.audit import Action
from jobsched.model.wording import moment, short_time

if TYPE_CHECKING:
    from jobsched.model.audit import AuditRow


@click.command("audit")
@click.option("--since", metavar="T", help="Done since an RFC 3339 instant, or within a duration: 1h, 2d.")
@click.option("--job", metavar="JOB", shell_complete=job_names, help="Only to this job, or to runs of it.")
@click.option("--by", metavar="TEXT", help="Only of those whose name has this in it, whatever its case.")
@click.option("--action", type=click.Choice([str(action) for action in Action]), help="Only this.")
@click.option("--before", metavar="ID", type=click.IntRange(0, 2**63 - 1), help="Only what was done before this row.")
@click.option("-n", "--count", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many at most.")
@database_option
@namespace_option
@output_option
def command(
    *,
    since: str | None,
    job: str | None,
    by: str | None,
    action: str | None,
    before: int | None,
    count: int,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Show who did what by hand, when and by which way; newest first.

    Recorded are pauses and their ends, triggers, backfills, what is enqueued at the command line, runs that are cancelled,
    requeued, rescheduled or deleted, and jobs declared at run time. What files changed is told by `jobsched status`.
    """
    from jobsched.model.report import audit_as_json

    with client_of(find_target(database, namespace)) as client:
        now = client.store.now()
        rows = client.audit(
            since=None if since is None else since_of(since, now),
            job=job,
            by=by,
            action=None if action is None else Action(action),
            before_id=before,
            limit=count,
        )
    if output == "json":
        print_json([audit_as_json(row) for row in rows])
        return
    headings = ["ID", "WHEN", "WHO", "VIA", "WHAT", "TO", "NOTES"]
    print_table(headings, [_row(row, now) for row in rows], empty="nothing that was done by hand is on record")
    if len(rows) == count:
        say(f"older ones: --before {rows[-1].id}", err=True)


def _row(row: "AuditRow", now: datetime) -> list[Cell]:
    from jobsched.model.audit_text import details_text, target_text

    when = Roomy(moment(row.at, now), short_time(row.at, now))
    return [str(row.id), when, row.by, str(row.via), str(row.action), target_text(row), details_text(row)]
