"""Tables and JSON on standard output."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from jobsched.cli.text import printable


def print_json(value: Any) -> None:
    """Indented JSON; non-ASCII as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table without lines, as wide as it must be; `empty` says what it means that there are no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    count = 0
    for row in rows:
        table.add_row(*(Text(printable(cell, keep=""), style=_STYLES.get(cell, "")) for cell in row))
        count += 1
    if not count:
        click.echo(empty)
        return
    console = Console(soft_wrap=False, highlight=False)
    # Piped, a table is not squeezed into the 80 columns that nobody looks at.
    if not console.is_terminal:
        console = Console(width=max(200, console.width), highlight=False)
    console.print(table)


_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "running": "cyan",
    "skipped": "yellow",
    "cancelled": "yellow",
    "blocked": "magenta",
    "create": "green",
    "update": "yellow",
    "remove": "red",
}
