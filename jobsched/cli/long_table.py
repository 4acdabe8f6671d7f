"""Tables of many rows, laid out from plain widths: rich, which measures each cell as text that may wrap, takes seconds."""

from collections.abc import Callable, Iterator, Sequence

_GAP = 2


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of each column, in cells of a terminal."""
    from rich.cells import cell_len

    return [
        max(len(cell) if cell.isascii() else cell_len(cell) for cell in column) for column in zip(*rows, strict=True)
    ]


def lines(
    headings: Sequence[str], rows: Sequence[Sequence[str]], wide: Sequence[int], paint: Callable[[str], str]
) -> Iterator[str]:
    """As rich would print them; `paint` colours a cell without changing its width."""
    yield _line(headings, wide, str)
    yield "\u2500" * total(wide)
    for row in rows:
        yield _line(row, wide, paint)


def total(wide: Sequence[int]) -> int:
    """How wide the table is."""
    return sum(wide) + _GAP * len(wide) - 1


def _line(row: Sequence[str], wide: Sequence[int], paint: Callable[[str], str]) -> str:
    from rich.cells import cell_len

    cells = (
        paint(cell) + " " * (width - (len(cell) if cell.isascii() else cell_len(cell)) + 1)
        for cell, width in zip(row, wide, strict=True)
    )
    return " ".join(cells)
