"""`--reason`: why something is done by hand, for the audit."""

import click

#: As of `jobsched pause`, whose reason is shown wherever the pause is.
reason_option = click.option("--reason", metavar="TEXT", help="Why; `jobsched audit` shows it.")
