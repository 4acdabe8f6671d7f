"""Tables and JSON on standard output."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from jobsched.model.wording import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def say(text: str = "", *, err: bool = False, **style: Any) -> None:
    """A line for people. What comes from outside is escaped here; `style` as click's, and never with NO_COLOR."""
    shown = printable(text)
    plain = bool(os.environ.get("NO_COLOR"))
    click.echo(click.style(shown, **style) if style and not plain else shown, err=err)


def say_prose(text: str, *, err: bool = False, **style: Any) -> None:
    """As `say`, of sentences: on a terminal they break between words, and go on indented."""
    width = columns(err=err)
    if width is not None:
        import textwrap

        # A command or a name is not torn apart at its hyphens.
        wrapper = textwrap.TextWrapper(width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        text = "\n".join(wrapper.fill(line) for line in text.split("\n"))
    say(text, err=err, **style)


def columns(*, err: bool = False) -> int | None:
    """How wide the terminal is; None if none is written to."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return None
    # Imported late, as it brings all the ways to compress files.
    import shutil

    return shutil.get_terminal_size().columns


def pass_on(text: str, *, err: bool = False) -> None:
    """What a job writes, as it comes: on a terminal escaped as by `say`, elsewhere as it is."""
    shown = printable(text) if (sys.stderr if err else sys.stdout).isatty() else text
    click.echo(shown, nl=False, err=err)


def clear_screen() -> None:
    """An empty terminal to write on; nothing elsewhere."""
    click.clear()


def print_json(value: Any) -> None:
    """Indented JSON; non-ASCII as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_line(value: Any) -> None:
    """One of many values that come one by one, on a line of its own."""
    click.echo(json.dumps(value, ensure_ascii=False))


class Roomy(NamedTuple):
    """A cell that says more where there is room: if one of them has to be short, all of its table are."""

    full: str
    short: str


Cell: TypeAlias = str | Roomy


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str, wrapped: str | None = None
) -> None:
    """A table without lines, as wide as it must be; `empty` says what it means that there are no rows.

    The cells below the heading `wrapped` are sentences: they go on in the next line, and nothing of them is cut.
    """
    from rich.console import Console

    rows = list(rows)
    if not rows:
        say(empty)
        return
    console = Console(soft_wrap=False, highlight=False)
    # Piped, a table is not squeezed into the 80 columns that nobody looks at.
    if not console.is_terminal:
        console = Console(width=max(200, console.width), highlight=False)
    if len(rows) > _MANY_ROWS and wrapped is None and _print_long(headings, rows, console):
        return
    table = _table(
        headings, [[cell.full if isinstance(cell, Roomy) else cell for cell in row] for row in rows], wrapped
    )
    if console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum > console.width:
        table = _table(
            headings, [[cell.short if isinstance(cell, Roomy) else cell for cell in row] for row in rows], wrapped
        )
    console.print(table)


def _print_long(headings: Sequence[str], rows: Sequence[Sequence[Cell]], console: "Console") -> bool:
    """The same table, far sooner; False if it is too wide for the terminal, so that something must be cut."""
    from jobsched.cli.long_table import lines, total, widths

    def paint(cell: str) -> str:
        colour = _style(cell) if console.color_system and not console.no_color else ""
        return click.style(cell, fg=colour) if colour else cell

    for form in (0, 1):
        plain = [[printable(cell[form] if isinstance(cell, Roomy) else cell, keep="") for cell in row] for row in rows]
        wide = widths([headings, *plain])
        if total(wide) <= console.width:
            head, *body = lines(headings, plain, wide, paint)
            click.echo("\n".join((click.style(head, bold=bool(console.color_system)), *body)))
            return True
    return False


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], wrapped: str | None) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        # A narrow terminal costs the end of names and notes, never that of an instant: rich narrows only what may wrap.
        table.add_column(heading, no_wrap=heading not in _MAY_SHRINK and heading != wrapped)
    for row in rows:
        table.add_row(
            *(
                Text(printable(cell, keep="\n"), _style(cell), overflow="fold")
                if heading == wrapped
                else Text(printable(cell, keep=""), _style(cell), no_wrap=True, overflow="ellipsis")
                for heading, cell in zip(headings, row, strict=True)
            )
        )
    return table


def _style(cell: str) -> str:
    return _STYLES.get(cell.partition(" ")[0], "")


_ANY_WIDTH = 10_000
_MANY_ROWS = 500
_MAY_SHRINK = frozenset({"JOB", "SCHEDULE", "HOST", "NOTES"})

_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "running": "cyan",
    "skipped": "yellow",
    "cancelled": "yellow",
    "blocked": "magenta",
    "paused": "yellow",
    "create": "green",
    "update": "yellow",
    "remove": "red",
    "ok": "green",
    "warning": "yellow",
    "error": "red",
}
