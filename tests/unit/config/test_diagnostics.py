"""The forms of a finding."""

import pytest

from jobsched.config.diagnostics import (
    Diagnostic,
    Diagnostics,
    TooManyDiagnosticsError,
    as_github,
    as_json,
    as_text,
    path_text,
)


def a_finding(
    *, column: int = 7, source: str = "cron: @daily", message: str = "no", file: str = "jobs.yaml"
) -> Diagnostic:
    return Diagnostic(file, 3, column, "error", "jobs.x.cron", message, "quote it", source)


def test_a_finding_is_one_line_with_its_place_and_path() -> None:
    assert str(a_finding()) == "jobs.yaml:3:7: error: jobs.x.cron: no (quote it)"


def test_the_text_shows_the_line_and_a_caret() -> None:
    assert as_text(a_finding()).splitlines()[1:] == ["    cron: @daily", "          ^"]


def test_without_a_line_there_is_no_caret() -> None:
    assert as_text(a_finding(source="")) == str(a_finding())


def test_control_characters_of_the_file_do_not_reach_the_terminal() -> None:
    shown = as_text(a_finding(source="a: \x1b[31mx\u202e\x9b", message="\x1b]0;x\x07", column=4))

    assert "\x1b" not in shown
    assert "\\x1b[31mx\\u202e\\x9b" in shown
    assert "\\x1b]0;x\\x07" in shown


def test_the_caret_stands_under_what_follows_escapes_and_wide_characters() -> None:
    lines = as_text(a_finding(source="\x1b日: X", column=5)).splitlines()

    assert lines[1:] == ["    \\x1b日: X", "            ^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    lines = as_text(a_finding(source="x" * 5000 + "!" + "y" * 5000, column=5001)).splitlines()

    assert len(lines[1]) < 180
    assert lines[1].startswith("    …x")
    assert lines[1][lines[2].index("^")] == "!"


def test_the_json_form_has_every_fact() -> None:
    assert as_json(a_finding()) == {
        "file": "jobs.yaml",
        "line": 3,
        "column": 7,
        "severity": "error",
        "path": "jobs.x.cron",
        "message": "no",
        "hint": "quote it",
    }


def test_the_github_form_escapes_what_would_end_it() -> None:
    found = a_finding(message="50%\n::set-env", file="a,b:c.yaml")

    assert as_github(found) == ("::error file=a%2Cb%3Ac.yaml,line=3,col=7::jobs.x.cron: 50%25%0A::set-env (quote it)")


def test_a_path_is_written_with_dots_and_indexes() -> None:
    assert path_text(("jobs", "x", "cron", 1)) == "jobs.x.cron[1]"


def test_findings_are_sorted_by_file_as_given_then_by_position() -> None:
    found = Diagnostics()
    for file, line, column in [("a", 2, 1), ("b", 9, 9), ("a", 1, 9), ("a", 1, 2)]:
        found.add(Diagnostic(file, line, column, "error", "", "x"))

    assert [(each.file, each.line, each.column) for each in found.in_order(["b", "a"])] == [
        ("b", 9, 9),
        ("a", 1, 2),
        ("a", 1, 9),
        ("a", 2, 1),
    ]


def test_a_flood_of_findings_is_stopped() -> None:
    found = Diagnostics()

    for line in range(1, 1000):
        found.add(Diagnostic("a", line, 1, "error", "", "x"))

    with pytest.raises(TooManyDiagnosticsError):
        found.add(Diagnostic("a", 1000, 1, "error", "", "x"))
    assert found.errors == 1001
