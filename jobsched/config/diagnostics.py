"""What is wrong with a file and where: one value per finding, with its text, JSON and GitHub forms."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]
Step: TypeAlias = str | int

#: More findings than a person reads; it also bounds what a hostile file can cost.
MAX_DIAGNOSTICS = 1000

_CUT_BEFORE, _CUT_AFTER = 100, 60
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Lines and columns count from 1, columns in characters; `path` is empty where none is known.

    `source` is the line of the file, shown below the message; two findings that differ in it alone are equal.
    """

    file: str
    line: int
    column: int
    severity: Severity
    path: str
    message: str
    hint: str = ""
    source: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: {self.severity}: "
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return visible(f"{place}{path}{self.message}{hint}")


class TooManyDiagnosticsError(Exception):
    """Ends a check that has found more than anybody reads."""


class Diagnostics:
    """Collects findings. Raises TooManyDiagnosticsError at the last one it takes, which says that there are more."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def add(self, diagnostic: Diagnostic) -> None:
        self._found.append(diagnostic)
        if len(self._found) >= MAX_DIAGNOSTICS:
            message = f"more than {MAX_DIAGNOSTICS} findings; correct these and check again"
            self._found.append(
                Diagnostic(diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.severity, "", message)
            )
            raise TooManyDiagnosticsError

    @property
    def errors(self) -> int:
        return sum(found.severity == "error" for found in self._found)

    def places(self) -> set[tuple[str, int, int]]:
        """Where something was found."""
        return {(found.file, found.line, found.column) for found in self._found}

    def in_order(self, files: Iterable[str]) -> tuple[Diagnostic, ...]:
        """Sorted by position, the files in the order given."""
        order = {name: number for number, name in enumerate(files)}
        return tuple(
            sorted(self._found, key=lambda found: (order.get(found.file, len(order)), found.line, found.column))
        )


def path_text(path: Iterable[Step]) -> str:
    """`jobs.nightly.cron[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def as_text(diagnostic: Diagnostic) -> str:
    """The finding, and below it the line of the file with a caret; plain text, safe for a terminal."""
    if not diagnostic.source.strip():
        return str(diagnostic)
    start = max(0, diagnostic.column - 1 - _CUT_BEFORE)
    end = diagnostic.column - 1 + _CUT_AFTER
    source = diagnostic.source.replace("\t", " ")
    before, after = source[start : diagnostic.column - 1], source[diagnostic.column - 1 : end]
    opening, closing = "…" if start else "", "…" if len(source) > end else ""
    shown = opening + visible(before)
    return f"{diagnostic}\n    {shown}{visible(after)}{closing}\n    {' ' * _width(shown)}^"


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "severity": diagnostic.severity,
        "path": diagnostic.path,
        "message": diagnostic.message,
        "hint": diagnostic.hint or None,
    }


def as_github(diagnostic: Diagnostic) -> str:
    """A workflow command that GitHub shows beside the line."""
    place = f"file={_github_property(diagnostic.file)},line={diagnostic.line},col={diagnostic.column}"
    path = f"{diagnostic.path}: " if diagnostic.path else ""
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return f"::{diagnostic.severity} {place}::{_github_data(path + diagnostic.message + hint)}"


def visible(text: str) -> str:
    """The text with control, bidirectional and other invisible characters written as escapes: it cannot drive a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _INVISIBLE else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")
