"""Tables: what a narrow terminal costs, and that a file costs nothing."""

import io
import sys

import pytest

from jobsched.cli.output import Cell, Roomy, print_table, say_prose

HEADINGS = ["JOB", "STATE", "AT"]
ROWS: list[list[Cell]] = [["nightly-invoices", "succeeded", Roomy("2026-11-22 02:30 (in 5h)", "02:30")]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, columns: int, rows: list[list[Cell]]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stdout)
    print_table(HEADINGS, rows, empty="none")
    lines = [line.rstrip() for line in stdout.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()]
    assert "─" in lines[1]
    return [lines[0], *lines[2:]]


def test_where_there_is_room_a_cell_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), 80, ROWS) == [
        "JOB               STATE      AT",
        "nightly-invoices  succeeded  2026-11-22 02:30 (in 5h)",
    ]


def test_where_there_is_none_it_is_short_in_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[list[Cell]] = [*ROWS, ["b", "failed", Roomy("at last", "soon")]]

    assert shown(monkeypatch, Terminal(), 40, rows) == [
        "JOB               STATE      AT",
        "nightly-invoices  succeeded  02:30",
        "b                 failed     soon",
    ]


def test_a_narrow_terminal_costs_the_end_of_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), 28, ROWS) == [
        "JOB        STATE      AT",
        "nightly-…  succeeded  02:30",
    ]


def test_a_file_gets_all_of_it_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 20, ROWS)[1] == "nightly-invoices  succeeded  2026-11-22 02:30 (in 5h)"


def test_no_rows_say_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())

    print_table(HEADINGS, [], empty="no jobs yet")

    assert stdout.getvalue() == "no jobs yet\n"


def test_sentences_go_on_in_the_next_line_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stdout := Terminal())
    sentence = "the clock of this machine is behind the database's\n-> have NTP set it"

    print_table(["LEVEL", "FOUND"], [["warning", sentence]], empty="none", wrapped="FOUND")

    lines = [line.rstrip() for line in stdout.getvalue().splitlines()][2:]
    assert max(map(len, lines)) <= 40
    assert " ".join(line[9:] for line in lines) == sentence.replace("\n", " ")


def test_sentences_break_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys, "stdout", stdout := Terminal())

    say_prose("run 158 succeeded, attempt 1 of 1, see jobsched-maintenance")

    assert stdout.getvalue() == "run 158 succeeded, attempt 1\n    of 1, see\n    jobsched-maintenance\n"


def test_sentences_in_a_file_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())

    say_prose("run 158 succeeded, attempt 1 of 1, started +51ms")

    assert stdout.getvalue() == "run 158 succeeded, attempt 1 of 1, started +51ms\n"


@pytest.mark.parametrize(("stdout", "columns"), [(Terminal, 80), (Terminal, 40), (Terminal, 28), (io.StringIO, 80)])
def test_a_table_of_many_rows_looks_like_one_of_few(
    monkeypatch: pytest.MonkeyPatch, stdout: type[io.StringIO], columns: int
) -> None:
    rows: list[list[Cell]] = [*ROWS, ["\u65e5\u672c", "failed", Roomy("at last", "soon")]]

    few = shown(monkeypatch, stdout(), columns, rows)
    many = shown(monkeypatch, stdout(), columns, rows * 300)

    assert many == [few[0], *few[1:] * 300]
