"""How findings are printed."""

import click
import pytest

from jobsched.cli.errors import print_diagnostic
from jobsched.config.diagnostics import Diagnostic

FOUND = Diagnostic(
    "jobs.yaml", 3, 5, "error", "jobs.one.evry", "unknown field", "did you mean `every`?", "    evry: 1h"
)


def printed(capsys: pytest.CaptureFixture[str], *, terminal: bool) -> list[str]:
    with click.Context(click.Command("validate"), color=terminal).scope():
        print_diagnostic(FOUND)
    return capsys.readouterr().out.splitlines()


def test_on_a_terminal_where_and_what_is_red(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    what, source, caret = printed(capsys, terminal=True)

    assert what.startswith("\x1b[31mjobs.yaml:3:5: error: jobs.one.evry")
    assert source == "        evry: 1h"
    assert caret == "        ^"


def test_with_no_color_it_is_plain(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert printed(capsys, terminal=True)[0].startswith("jobs.yaml:3:5: error: ")
