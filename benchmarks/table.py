"""What was measured, as it is measured: rows of text with what they are held against, printed at once, and as Markdown at the end."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Held(NamedTuple):
    """What a figure is held against, in words, and whether it holds."""

    words: str
    met: bool


def at_least(value: float, least: float, of: str) -> Held:
    return Held(f"at least {least:g} {of}", value >= least)


def at_most(value: float, most: float, of: str) -> Held:
    return Held(f"at most {most:g} {of}", value <= most)


def both(*held: Held) -> Held:
    return Held(", ".join(one.words for one in held), all(one.met for one in held))


@dataclass(frozen=True)
class Row:
    what: str
    figure: str
    beside: str
    bar: str
    aim: str


@dataclass
class Section:
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Matrix:
    """All who were measured, a row each, and what they reached, a column each; in the order of their coming."""

    title: str
    columns: list[str] = field(default_factory=list)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(self, who: str, column: str, figure: str) -> None:
        if column not in self.columns:
            self.columns.append(column)
        self.cells.setdefault(who, {})[column] = figure

    def lines(self) -> Iterator[str]:
        rows = [[who, *(cells.get(column, "") for column in self.columns)] for who, cells in self.cells.items()]
        yield from markdown_rows([self.title, *self.columns], rows)


@dataclass
class Table:
    sections: list[Section] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  #: bars, not aims
    failed: list[str] = field(default_factory=list)

    def section(self, title: str) -> None:
        self.sections.append(Section(title))
        print(f"\n## {title}", flush=True)

    def add(
        self, what: str, figure: str, beside: str = "", *, bar: Held | None = None, aim: Held | None = None
    ) -> None:
        row = Row(what, figure, beside, said(bar, "MISSED"), said(aim, "not reached"))
        self.sections[-1].rows.append(row)
        if bar is not None and not bar.met:
            self.missed.append(what)
        print(f"{what:<58} {figure:<36} {beside}", flush=True)
        for name, text in (("bar", row.bar), ("aim", row.aim)):
            if text:
                print(f"{'':<58} {name}: {text}", flush=True)

    def note(self, text: str) -> None:
        """A sentence below the section's rows."""
        self.sections[-1].notes.append(text)
        print(f"! {text}", flush=True)

    def matrix(self, title: str) -> Matrix:
        found = next((one for one in self.matrices if one.title == title), None)
        if found is None:
            found = Matrix(title)
            self.matrices.append(found)
        return found

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Whatever fails in here is said, and the rest goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - of other people's programs too; the rest is still worth measuring
            traceback.print_exc()
            self.failed.append(what)
            self.note(f"{what}: not measured: {first_line(error)}")

    def markdown(self) -> str:
        lines: list[str] = []
        for section in self.sections:
            lines += ["", f"### {section.title}", ""]
            if section.rows:
                rows = [[row.what, row.figure, row.beside, row.bar, row.aim] for row in section.rows]
                lines += markdown_rows(["what", "jobsched", "beside it", "bar", "aim"], rows)
            lines += [line for note in section.notes for line in ("", note)]
        for matrix in self.matrices:
            lines += ["", *matrix.lines()]
        return "\n".join(lines[1:]) + "\n"


def said(held: Held | None, otherwise: str) -> str:
    if held is None:
        return ""
    return f"{held.words}: met" if held.met else f"{held.words}: **{otherwise}**"


def first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def markdown_rows(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    used = [column for column in range(len(head)) if any(row[column] for row in rows)]
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(row[column].replace("|", r"\|") for column in used) + " |"
