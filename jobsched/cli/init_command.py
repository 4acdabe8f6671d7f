"""jobsched init."""

import os
from pathlib import Path

import click

from jobsched.cli.errors import Failure
from jobsched.cli.output import say
from jobsched.cli.target import DEFAULT_FILE

_FIRST_FILE = """\
# What runs when. After each edit: jobsched validate
version: 1

settings:
  # Where state lives: an SQLite file beside this one, or PostgreSQL by one variable: postgresql://user@host/name
  database: "${JOBSCHED_DATABASE_URL:-sqlite:///jobsched.db}"

# What a job below leaves out.
defaults:
  timezone: UTC # cron is wall-clock time in this zone; an IANA name like Europe/Rome
  retries: {max: 2, delay: 10s} # two more attempts, the first after ten seconds
  timeout: 5m

jobs:
  hello:
    description: A sign of life; replace it with your own
    shell: echo "hello from $JOBSCHED_JOB, attempt $JOBSCHED_ATTEMPT" # for /bin/sh; exit code 0 is success
    every: 1m

  # A program with its arguments, started without a shell.
  # report:
  #   command: ["python3", "report.py", "--yesterday"]
  #   cron: "30 6 * * mon-fri" # minute, hour, day of month, month, day of week; quote it
  #   timezone: Europe/Rome # 06:30 on the wall there, in summer as in winter

  # A Python function: `def send(to, dry_run)` in billing.py beside this file.
  # invoices:
  #   handler: billing:send
  #   payload: {to: office@example.com, dry_run: true} # its keyword arguments
  #   cron: "H 2 * * *" # at a minute of its own between 02:00 and 03:00
  #   concurrency: queue # never two at once; the next one waits
  #   catch_up: latest # after downtime, once for all that was missed

# Next:
#   jobsched next hello            when it will run
#   jobsched exec hello            perform it here and now, without a database
#   jobsched run                   apply this file, follow it, and run its jobs until Ctrl-C
#   jobsched runs                  what ran, and how it ended
#   jobsched schema > s.json       a JSON Schema of this file, for editors
"""


@click.command("init")
@click.argument("path", metavar="[PATH]", default=DEFAULT_FILE, type=click.Path(path_type=Path))
def command(path: Path) -> None:
    """Write a first jobs.yaml (or PATH), commented and valid. Asks nothing, and never overwrites."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_FIRST_FILE)
    except FileExistsError:
        raise Failure(f"{path} is there already, and stays as it is") from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {os.strerror(error.errno or 0)}") from error
    say(f"{path} is written; next: jobsched validate, jobsched run")
