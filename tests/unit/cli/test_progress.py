"""The progress bar: who sees it, and when."""

import io
import sys
import threading

import pytest

from jobsched.cli.progress import progress

PATIENCE = 20.0


class Terminal(io.StringIO):
    """Standard error of a person; tells when a text is to be seen on it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited, self.seen = awaited, threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._awaited in self.getvalue():
            self.seen.set()
        return written


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("total", "awaited"), [(10, "7/10"), (None, "counting [sheep]")])
def test_work_that_lasts_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, total: int | None, awaited: str
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal(awaited))

    with progress("counting [sheep]", total, patience=0) as told:
        told(3)
        told(4)
        assert stderr.seen.wait(PATIENCE), stderr.getvalue()


def test_short_work_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal("counting"))

    with progress("counting", 10, patience=3600) as told:
        told(10)

    assert stderr.getvalue() == ""


@pytest.mark.parametrize("hidden", [False, True])
def test_it_is_not_shown_in_a_file_nor_where_it_is_hidden(monkeypatch: pytest.MonkeyPatch, *, hidden: bool) -> None:
    stderr = Terminal("counting") if hidden else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)

    before = threading.active_count()
    with progress("counting", 10, hidden=hidden, patience=0) as told:
        told(10)
        begun = threading.active_count() - before

    assert (stderr.getvalue(), begun) == ("", 0)


def test_a_terminal_that_cannot_move_its_cursor_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", stderr := Terminal("counting"))

    with progress("counting", 10, patience=0) as told:
        told(10)
        for timer in threading.enumerate():
            if isinstance(timer, threading.Timer):
                timer.join(PATIENCE)

    assert stderr.getvalue() == ""


def test_an_error_gives_the_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal("counting"))

    def fail() -> None:
        with progress("counting", patience=0):
            assert stderr.seen.wait(PATIENCE), stderr.getvalue()
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert stderr.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")
