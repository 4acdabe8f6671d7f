"""Lines of logs as markup: colours that programs ask a terminal for become classes, all else that steers one is left out."""

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from jobsched.model.run import LogLine
from jobsched.model.wording import printable

_SEQUENCE = re.compile(r"\x1b(?:\[(?P<codes>[0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}
_MOST_CODES, _LONGEST_CODE = 32, 4


def plain(text: str) -> str:
    """The text alone."""
    return printable(_SEQUENCE.sub("", text))


class Ink:
    """What a terminal would write with now."""

    def __init__(self) -> None:
        self._styles: set[str] = set()
        self._colour: str | None = None

    @property
    def classes(self) -> str:
        return " ".join(sorted(self._styles | ({f"c-{self._colour}"} if self._colour else set())))

    def take(self, codes: str) -> None:
        """The codes of one sequence. Backgrounds, and colours out of more than eight, are left to the page."""
        parts = codes.replace(":", ";").split(";")[:_MOST_CODES]
        numbers = iter([int(code or "0") if len(code) <= _LONGEST_CODE else -1 for code in parts])
        for number in numbers:
            if number == 0:
                self._styles.clear()
                self._colour = None
            elif number in _STYLES:
                self._styles.add(_STYLES[number])
            elif number in _ENDS:
                self._styles.difference_update(_ENDS[number])
            elif 30 <= number <= 37 or 90 <= number <= 97:
                self._colour = _COLOURS[number % 10]
            elif number == 39:
                self._colour = None
            elif number in (38, 48):
                for _ in range({5: 1, 2: 3}.get(next(numbers, 0), 0)):
                    next(numbers, None)


def coloured(lines: Iterable[LogLine], sought: str = "") -> Iterator[tuple[LogLine, Markup]]:
    """Each line; a colour goes on through the lines of its attempt and stream until it is ended. What is sought is marked."""
    inks: dict[tuple[int, str], Ink] = {}
    for line in lines:
        yield line, _line(line.text, inks.setdefault((line.attempt, line.stream), Ink()), sought.casefold())


def _line(text: str, ink: Ink, sought: str) -> Markup:
    parts, place = [], 0
    for found in _SEQUENCE.finditer(text):
        parts.append(_part(text[place : found.start()], ink, sought))
        if found["codes"] is not None:
            ink.take(found["codes"])
        place = found.end()
    parts.append(_part(text[place:], ink, sought))
    return Markup("").join(parts)


def _part(text: str, ink: Ink, sought: str) -> Markup:
    if not text:
        return Markup("")
    shown = _marked(printable(text), sought)
    return Markup('<span class="{}">{}</span>').format(ink.classes, shown) if ink.classes else shown


def _marked(text: str, sought: str) -> Markup:
    folded = text.casefold()
    if not sought or sought not in folded or len(folded) != len(text):
        return escape(text)
    parts, place = [], 0
    while (at := folded.find(sought, place)) >= 0:
        parts += [escape(text[place:at]), Markup("<mark>{}</mark>").format(text[at : at + len(sought)])]
        place = at + len(sought)
    return Markup("").join([*parts, escape(text[place:])])
