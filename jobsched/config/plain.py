"""The plain lines of YAML, which most files are made of, read without making an event of each key and value.

PyYAML takes five times as long for the objects that it makes of a file as libyaml takes to parse it. So a line that is
`key: value` or `- value` with a plain or quoted text, or a flat list or mapping in brackets, is read here. Any other value
is left to the parser, with the lines that belong to it; and if there is anything in a text that could mean something
beyond its own lines, or that is wrong, nothing is made of it here at all. What is read is what the parser would read.
"""

import re
from array import array
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from jobsched.config import scalars
from jobsched.config.builder import MAX_DEPTH, MAX_SCALAR, place_at

#: Of mappings and lists that have lines of their own. A flat one in brackets may stand below the deepest.
_MOST_LEVELS = MAX_DEPTH - 1
#: How many different lines, and items in brackets, are remembered. Thousands of jobs say a few things between them.
_REMEMBERED = 4096
#: Beside tabs and returns: other breaks of lines, and marks of byte order. The parser knows what they mean.
_NOT_PLAIN = re.compile("[\x85\u2028\u2029\ufeff]")
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}+"
_QUOTED = r""" "[^"\\\n]*+" | '[^'\n]*+' """
#: A colon before a space, or a # after one, ends a text without quotes.
_WORD = r"(?: [^\n\ :\#] | :(?=[^\n\ ]) | (?<!\ )\# )"
_TEXT = rf"(?: [^\s\-?:,\[\]{{}}\#&*!|>'\"%@`] | -(?=[A-Za-z0-9]) ) {_WORD}*+ (?: \ ++ {_WORD}++ )*+"
_FLOW_WORD = r"[A-Za-z0-9_./+@%$=;()<>~*-]"
_FLOW_TEXT = rf"(?: [A-Za-z0-9_./+~] | -(?=[A-Za-z0-9]) ) {_FLOW_WORD}*+ (?: \ ++ {_FLOW_WORD}++ )*+"
_LINE = re.compile(
    rf"""
    (?P<indent>\ *+)
    (?:
        (?P<open>{_KEY}) :
      | (?: - | (?P<key>{_KEY}) : ) \ ++
        (?P<written> {_QUOTED} | \{{ [^{{}}\[\]\n]*+ \}} | \[ [^{{}}\[\]\n]*+ \] | {_TEXT} )
    )
    \ *+ (?: (?<=\ ) \#[^\n]*+ )?
    """,
    re.VERBOSE,
)
_NOTHING = re.compile(r"\ *+ (?: \#[^\n]*+ )?", re.VERBOSE)
#: A value of any form begins, which may go on below.
_BLOCK = re.compile(rf"(?P<indent>\ *+) (?: - | (?P<key>{_KEY}) : ) \  [^\n]*+", re.VERBOSE)
#: Those within quotes are a part of the text.
_BETWEEN_COMMAS = re.compile(rf"(?: [^,'\"] | {_QUOTED} )++", re.VERBOSE)
_ITEM = re.compile(
    rf"\ *+ (?: (?P<key>{_KEY}) : \ ++ )? (?: (?P<quoted>{_QUOTED}) | (?P<text>{_FLOW_TEXT}) ) \ *+", re.VERBOSE
)


class Plain(NamedTuple):
    """A file's data, in which equal parts may be one; and by field of its top the places of the keys below it."""

    value: dict[str, Any]
    key_places: dict[str, "array[int]"]


class Parsed(NamedTuple):
    """What the parser makes of some lines, and of how many nodes."""

    value: Any
    nodes: int


def read(text: str, most_nodes: int, parse: Callable[[str, int], Parsed]) -> Plain | None:
    """None where it takes the parser to say what the text means, or what is wrong with it, or if it may have more nodes.

    `parse` is the parser for lines that stand so many levels deep in a file; it raises NotPlainError if more than their
    value hangs on them.
    """
    if "\t" in text or "\r" in text or (not text.isascii() and _NOT_PLAIN.search(text)):
        return None
    reader = _Reader(text, parse)
    try:
        reader.read()
    except NotPlainError:
        return None
    return Plain(reader.root, reader.key_places) if reader.root and reader.nodes <= most_nodes else None


class NotPlainError(Exception):
    """It takes the parser, and the whole text."""


#: What a line says by itself: its indent; the key of a mapping, or None for an item of a list; the value, and how many
#: nodes there are below it, or what is said of a line that has none. (A class would cost more than all the rest.)
_Line: TypeAlias = tuple[int, str | None, Any, int]
#: A key alone, whose value may stand below.
_OPEN = -1
#: A value that the parser has to read, with the lines below it that belong to it.
_BLOCK_BEGINS = -2
#: What only means something as a part of the value above it.
_UNREADABLE = -3
_EMPTY: _Line = (-1, None, None, -4)
_NONE = -1  #: the number of no line


class _Reader:
    """Goes through a text once, line by line: about eight times for each job of a file."""

    def __init__(self, text: str, parse: Callable[[str, int], Parsed]) -> None:
        self.lines = text.split("\n")
        self.number = 0  # of the line to take next
        self.nodes = 1  # at least as many as the parser would count
        self.known: dict[str, _Line] = {}  # by how they are written
        self.values = _Values()
        self.parse = lru_cache(_REMEMBERED)(parse)
        self.root: dict[str, Any] = {}
        self.container: Any = self.root
        self.in_list = False  # whether the container is one
        self.indent = 0
        self.around: list[tuple[int, Any]] = []  # indents and containers of the levels around this one
        self.open: str | None = None  # the last key, as long as lines below it may give it a value
        self.last = _NONE  # the line whose value goes on if a deeper one follows
        self.key_places: dict[str, array[int]] = {}
        self.placed: dict[str, Any] = {}  # the field of the top that is being read
        self.places: array[int] = array("q")  # of its keys

    def read(self) -> None:
        lines = self.lines
        while self.number < len(lines):
            line = None if self.in_list or self.open is not None else self._take_siblings()
            if self.number < len(lines):
                self._take(line or self._line(lines[self.number]))

    def _take_siblings(self) -> _Line | None:
        """Takes the lines that go on with a mapping, each with its value: most of a file. Returns the one that it ends at."""
        lines, known, read_line = self.lines, self.known, self._read_line
        container, indent = self.container, self.indent
        number = first = self.number
        line, nodes, keys = None, 0, len(container)
        while number < len(lines):
            written = lines[number]
            line = known.get(written) or read_line(written)
            at, key, value, below = line
            if at != indent or below < 0 or key is None:
                break
            container[key] = value
            nodes += below
            number += 1
        if number > first:
            self.number, self.last, self.nodes = number, number - 1, self.nodes + 2 * (number - first) + nodes
            if len(container) != keys + number - first:
                raise NotPlainError
            if container is self.placed:
                self.places.extend(place_at(each, indent) for each in range(first, number))
        return line

    def _line(self, written: str) -> _Line:
        return self.known.get(written) or self._read_line(written)

    def _read_line(self, written: str) -> _Line:
        """By itself, which is remembered."""
        found = _LINE.fullmatch(written)
        if found is None:
            return _without_value(written)
        spaces, opened, key, value = found.groups()
        indent = len(spaces)
        if len(written) > MAX_SCALAR:
            raise NotPlainError
        if opened is not None:
            return indent, opened, None, _OPEN
        if key is not None:
            key = self.values.key(key)
        read = self.values.read(value)
        if read is None:
            # Remembered by its depth too.
            return indent, key, *self.parse(value, len(self.around) + 1)
        line = indent, key, *read
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        self.known[written] = line
        return line

    def _take(self, line: _Line) -> None:
        """A line of any kind, the next one."""
        indent, key, value, nodes = line
        if line is _EMPTY:
            self.number += 1
            return
        if indent > self.indent and self.open is None:
            self._go_on_with_last()
            return
        if nodes == _UNREADABLE:
            raise NotPlainError
        self._enter(indent, key)
        if nodes == _BLOCK_BEGINS:
            self._take_block(indent, key)
            return
        self._put(key, value)
        if nodes == _OPEN:
            self.open, self.last = key, _NONE
        else:
            self.nodes += nodes
            self.last = self.number
        self.number += 1

    def _go_on_with_last(self) -> None:
        """Takes the last line anew, with those below it that belong to its value."""
        if self.last == _NONE:
            raise NotPlainError
        self.number = self.last
        if self.in_list:
            self.container.pop()
            key = None
        else:
            key, _ = self.container.popitem()
            if self.container is self.placed:
                self.places.pop()
        self._take_block(self.indent, key)

    def _take_block(self, indent: int, key: str | None) -> None:
        lines, deeper = self.lines, " " * (indent + 1)
        end = self.number + 1
        while end < len(lines) and (lines[end].startswith(deeper) or not lines[end].strip(" ")):
            end += 1
        text = "\n".join(lines[self.number : end])
        if len(text) > MAX_SCALAR:
            raise NotPlainError
        value, nodes = self.parse(text if end == len(lines) else text + "\n", len(self.around))
        self.nodes += nodes
        self._put(key, value[0 if key is None else key])
        self.number, self.last = end, _NONE

    def _enter(self, indent: int, key: str | None) -> None:
        """Goes to the level of a line with this indent; one without a key is an item of a list."""
        if self.open is not None and (indent > self.indent or (indent == self.indent and key is None)):
            self._begin(indent, {} if key is not None else [])
            return
        # The items of a list may stand as deep as the key that it is the value of.
        while self.around and (indent < self.indent or (indent == self.indent and key is not None and self.in_list)):
            self.indent, self.container = self.around.pop()
            self.in_list = isinstance(self.container, list)
        if indent != self.indent or (key is None) is not self.in_list:
            raise NotPlainError

    def _begin(self, indent: int, container: Any) -> None:
        if not self.around and isinstance(container, dict):
            self.placed, self.places = container, self.key_places.setdefault(str(self.open), array("q"))
        self.container[self.open] = container
        self.around.append((self.indent, self.container))
        self.indent, self.container, self.in_list = indent, container, isinstance(container, list)
        if len(self.around) >= _MOST_LEVELS:
            raise NotPlainError

    def _put(self, key: str | None, value: Any) -> None:
        self.open, container = None, self.container
        if key is None:
            self.nodes += 1
            container.append(value)
            return
        self.nodes += 2
        if key in container:
            raise NotPlainError
        container[key] = value
        if container is self.placed:
            # They come in the order in which they stand.
            self.places.append(place_at(self.number, self.indent))


def _without_value(written: str) -> _Line:
    if _NOTHING.fullmatch(written):
        return _EMPTY
    found = _BLOCK.fullmatch(written)
    if found is None:
        return len(written) - len(written.lstrip(" ")), None, None, _UNREADABLE
    indent, key = found.groups()
    return len(indent), key, None, _BLOCK_BEGINS


def _plain(text: str) -> Any:
    """The value of a text without quotes."""
    try:
        return scalars.resolve(text)
    except ValueError:
        raise NotPlainError from None


class _Values:
    """What is written in a line, as a value."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._items: dict[str, tuple[str | None, Any]] = {}  # of flat lists and mappings, by how they are written

    def key(self, key: str) -> str:
        """Equal ones are one."""
        return self._keys.setdefault(key, key)

    def read(self, written: str) -> tuple[Any, int] | None:
        """With the number of nodes below it; None if it takes the parser."""
        first = written[0]
        if first in {'"', "'"}:
            return written[1:-1], 0
        if first not in {"[", "{"}:
            return _plain(written), 0
        value = self._flat(written)
        return None if value is None else (value, 2 * len(value))

    def _flat(self, flow: str) -> dict[str, Any] | list[Any] | None:
        """A list, or mapping, of texts in brackets; None if it is none."""
        listed, inside, known = flow[0] == "[", flow[1:-1], self._items
        if not inside:
            return [] if listed else {}
        values: list[Any] = []
        keys: list[str] = []
        parts = inside.split(",")
        if '"' in inside or "'" in inside:
            parts = _BETWEEN_COMMAS.findall(inside)
            if ",".join(parts) != inside:
                return None
        for written in parts:
            item = known.get(written) or self._item(written)
            if item is None or (item[0] is None) is not listed:
                return None
            key, value = item
            values.append(value)
            if key is not None:
                keys.append(key)
        if listed:
            return values
        mapping = dict(zip(keys, values, strict=True))
        return mapping if len(mapping) == len(keys) else None

    def _item(self, written: str) -> tuple[str | None, Any] | None:
        """None if it is none that can be read by itself."""
        found = _ITEM.fullmatch(written)
        if found is None:
            return None
        key, quoted, text = found.groups()
        value = _plain(text) if quoted is None else quoted[1:-1]
        if len(self._items) >= _REMEMBERED:
            self._items.clear()
        item = self._items[written] = None if key is None else self.key(key), value
        return item
