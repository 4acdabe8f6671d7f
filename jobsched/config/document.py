"""YAML text as plain data that knows where each key and value stands."""

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import yaml

from jobsched.config import plain, syntax
from jobsched.config.builder import Builder, Placed, line_and_column
from jobsched.config.diagnostics import Diagnostic, Diagnostics, Severity, Step, TooManyDiagnosticsError, path_text
from jobsched.config.plain import NotPlainError, Parsed, Plain
from jobsched.errors import ConfigError

MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 5_000_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_READABLE = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Document:
    """One file's data (`value`) and the place of everything in it. Equal parts may share values; aliases and merges do."""

    def __init__(self, name: str, text: str, data: Placed | Plain) -> None:
        self.name, self.text, self.value = name, text, data.value
        self._plain = data if isinstance(data, Plain) else None
        self._placed = data if isinstance(data, Placed) else None
        self._lines: list[str] | None = None
        self._order: dict[int, dict[Any, int]] = {}

    def position(self, path: Sequence[Step], *, of_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of what stands at `path`, or of the key that names it.

        Where the path leads to nothing, the deepest part of it that exists is meant, and its key.
        """
        container, place = self._everything.value, self._everything.root
        for depth, step in enumerate(path):
            found = self._step(container, step)
            if found is None:
                return self.position(path[:depth], of_key=True)
            container, key_place, value_place = found
            place = key_place if of_key and depth == len(path) - 1 else value_place
        return line_and_column(place)

    def existing(self, path: Sequence[Step]) -> tuple[tuple[Step, ...], Any]:
        """The part of the path that leads to something, and what stands there."""
        container = self._everything.value
        for depth, step in enumerate(path):
            found = self._step(container, step)
            if found is None:
                return tuple(path[:depth]), container
            container = found[0]
        return tuple(path), container

    def key_positions(self, field: str) -> Iterator[tuple[int, int]]:
        """Of each key of the mapping that is a field of the top, in its order."""
        places = self._plain.key_places.get(field) if self._plain is not None else None
        if places is None:
            places = self._everything.places[id(self._everything.value[field])][::2]
        return map(line_and_column, places)

    def diagnostic(
        self, path: Sequence[Step], message: str, hint: str = "", *, of_key: bool = False, severity: Severity = "error"
    ) -> Diagnostic:
        line, column = self.position(path, of_key=of_key)
        return Diagnostic(self.name, line, column, severity, path_text(path), message, hint, self.source_line(line))

    def source_line(self, line: int) -> str:
        if self._lines is None:
            self._lines = syntax.LINE_BREAK.split(self.text)
        return self._lines[line - 1] if line <= len(self._lines) else ""

    @property
    def _everything(self) -> Placed:
        """Made once somebody asks: of thousands of jobs there is mostly nothing to tell."""
        if self._placed is None:
            self._placed = Builder(self.name, self.text, Diagnostics(), MAX_NODES).build(_LOADER)
            assert self._placed is not None  # what is plain, the parser reads too
        return self._placed

    def _step(self, container: Any, step: Step) -> tuple[Any, int, int] | None:
        """The value at a step, the place of its key and its own."""
        if isinstance(container, list) and isinstance(step, int) and step < len(container):
            place = self._everything.places[id(container)][step]
            return container[step], place, place
        if isinstance(container, dict) and step in container:
            number = self._number(container, step)
            places = self._everything.places[id(container)]
            return container[step], places[2 * number], places[2 * number + 1]
        return None

    def _number(self, mapping: dict[Any, Any], key: Step) -> int:
        # Remembered: a hundred thousand wrong jobs must not be searched for one by one.
        order = self._order.get(id(mapping))
        if order is None:
            order = self._order[id(mapping)] = {each: number for number, each in enumerate(mapping)}
        return order[key]


def parse(text: bytes, name: str) -> Document:
    """The document of a file's bytes. Raises ConfigError with all that is wrong; `name` stands in the diagnostics."""
    found = Diagnostics()
    try:
        document = read(text, name, found)
    except TooManyDiagnosticsError:
        document = None
    if document is None or found.errors:
        raise ConfigError(found.in_order([name]))
    return document


def read(content: bytes, name: str, found: Diagnostics) -> Document | None:
    """As `parse`, but what is wrong is added to `found`; None where nothing can be made of the rest."""
    text = _decode(content, name, found)
    if text is None:
        return None
    data = plain.read(text, MAX_NODES, _parse) or Builder(name, text, found, MAX_NODES).build(_LOADER)
    return None if data is None else Document(name, text, data)


def _parse(lines: str, depth: int) -> Parsed:
    """The value of some lines of a file, so many levels deep in it. Raises NotPlainError if more than this hangs on them."""
    found = Diagnostics()
    builder = Builder("", lines, found, MAX_NODES, depth)
    with suppress(TooManyDiagnosticsError):
        placed = builder.build(_LOADER)
        if placed is not None and not found.errors and not builder.aliases:
            return Parsed(placed.value, builder.nodes)
    raise NotPlainError


def _decode(content: bytes, name: str, found: Diagnostics) -> str | None:
    if len(content) > MAX_BYTES:
        found.add(Diagnostic(name, 1, 1, "error", "", f"larger than {MAX_BYTES // 1024 // 1024} MiB"))
        return None
    mark, encoding = next(((m, e) for m, e in _BYTE_ORDER_MARKS if content.startswith(m)), (b"", "utf-8"))
    content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        message = f"not {encoding.upper()} text: {error.reason}"
        found.add(_at_end_of(before, name, message, "save the file as UTF-8"))
        return None
    # Most files are ASCII: what is left without what can be read is quicker to know than to search for.
    unreadable = None if text.isascii() and not content.translate(None, _READABLE) else _UNREADABLE.search(text)
    if unreadable is None:
        return text
    hint = "save the file as UTF-8" if unreadable[0] == "\0" else "in double quotes it can be written as an escape"
    found.add(
        _at_end_of(text[: unreadable.start()], name, f"the character U+{ord(unreadable[0]):04X} is not allowed", hint)
    )
    return None


def _at_end_of(before: str, name: str, message: str, hint: str) -> Diagnostic:
    lines = syntax.LINE_BREAK.split(before)
    return Diagnostic(name, len(lines), len(lines[-1]) + 1, "error", "", message, hint, lines[-1])
