"""What `status` shows, on a terminal."""

import io
import sys

import pytest

from jobsched.cli.status_command import Seen, _print
from jobsched.model.state import Node
from jobsched.testing.builders import START

ERROR = (
    "jobs.yaml:4:53: error: jobs.nightly-invoices.cron: day-of-month: no date ever matches; it never fires\n"
    "jobs.yaml:4:158: error: jobs.nightly-invoices.timezone: no time zone 'Europe/Rom'; did you mean 'Europe/Rome'?"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_wrong_with_a_file_breaks_between_words_and_goes_on_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", stdout := Terminal())
    node = Node(
        id=1,
        host="here",
        pid=7,
        version="1",
        started_at=START,
        heartbeat_at=START,
        alive=True,
        namespaces=("shop",),
        info={"error": ERROR, "error_since": "2026-01-01T00:00:00Z"},
    )

    _print(
        Seen(
            namespace="shop",
            now=START,
            newest=None,
            nodes=[node],
            counts={},
            limits={},
            next_at=None,
            running=[],
            progress={},
            pauses=[],
        )
    )

    assert stdout.getvalue().splitlines()[-4:] == [
        "jobs.yaml:4:53: error: jobs.nightly-invoices.cron: day-of-month: no date ever",
        "    matches; it never fires",
        "jobs.yaml:4:158: error: jobs.nightly-invoices.timezone: no time zone",
        "    'Europe/Rom'; did you mean 'Europe/Rome'?",
    ]
