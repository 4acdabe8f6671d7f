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
from typing import Any, NamedTuple

from jobsched.config import scalars
from jobsched.config.builder import MAX_DEPTH, MAX_SCALAR, place_at

#: Of mappings and lists that have lines of their own. A flat one in brackets may stand below the deepest.
_MOST_LEVELS = MAX_DEPTH - 1
#: How many different values are remembered. Thousands of jobs say a few things between them.
_REMEMBERED = 4096
#: Other breaks of lines, tabs, and marks of byte order: the parser knows what they mean.
_NOT_PLAIN = re.compile("[\t\r\x85\u2028\u2029\ufeff]")
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}+"
_QUOTED = r""" "[^"\\\n]*+" | '[^'\n]*+' """
#: A colon before a space, or a # after one, ends a text without quotes.
_WORD = r"(?: [^\n\ :\#] | :(?=[^\n\ ]) | (?<!\ )\# )"
_TEXT = rf"(?: [^\s\-?:,\[\]{{}}\#&*!|>'\"%@`] | -(?=[A-Za-z0-9]) ) {_WORD}*+ (?: \ ++ {_WORD}++ )*+"
_FLOW_WORD = r"[A-Za-z0-9_./+@%$=;()<>~*-]"
_FLOW_TEXT = rf"(?: [A-Za-z0-9_./+~] | -(?=[A-Za-z0-9]) ) {_FLOW_WORD}*+ (?: \ ++ {_FLOW_WORD}++ )*+"
_EMPTY_LINES = r"(?: \ *+ (?: \#[^\n]*+ )? \n )*+"
_END = r"\ *+ (?: (?<=\ ) \#[^\n]*+ )? (?: \n | \Z )"
_NOT_DEEPER = r"(?! (?P=indent)\  )"
_LINE = re.compile(
    rf"""
    {_EMPTY_LINES} (?P<indent>\ *+)
    (?:
        (?P<open>{_KEY}) : {_END}
      | (?: - | (?P<key>{_KEY}) : ) \ ++
        (?P<written> {_QUOTED} | \{{ [^{{}}\[\]\n]*+ \}} | \[ [^{{}}\[\]\n]*+ \] | {_TEXT} )
        {_END} {_NOT_DEEPER}
    )
    """,
    re.VERBOSE,
)
#: A line, and those below it that are indented deeper or empty: a value of any form.
_BLOCK = re.compile(
    rf"""
    {_EMPTY_LINES}
    (?P<lines>
        (?P<indent>\ *+) (?: - | (?P<key>{_KEY}) : ) \  [^\n]*+
        (?: \n (?: \ *+ (?=\n|\Z) | (?P=indent)\ [^\n]*+ ) )*+ (?: \n | \Z )
    )
    """,
    re.VERBOSE,
)
_REST = re.compile(rf"{_EMPTY_LINES} \ *+ (?: \#[^\n]*+ )?", re.VERBOSE)
_ITEM = re.compile(
    rf"\ *+ (?: (?P<key>{_KEY}) : \ ++ )? (?: (?P<quoted>{_QUOTED}) | (?P<text>{_FLOW_TEXT}) ) \ *+ (?: , | \Z )",
    re.VERBOSE,
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
    if _NOT_PLAIN.search(text):
        return None
    reader = _Reader(text, parse)
    try:
        reader.read()
    except NotPlainError:
        return None
    return Plain(reader.root, reader.key_places) if reader.root and reader.nodes <= most_nodes else None


class NotPlainError(Exception):
    """It takes the parser, and the whole text."""


class _Reader:
    """Goes through a text once, line by line: about eight times for each job of a file."""

    def __init__(self, text: str, parse: Callable[[str, int], Parsed]) -> None:
        self.text = text
        self.nodes = 1  # at least as many as the parser would count
        self.texts = _Texts()
        self.known: dict[
            str, tuple[Any, int]
        ] = {}  # by what is written in a line: the value, and how many nodes below it
        self.parse = lru_cache(_REMEMBERED)(parse)
        self.root: dict[str, Any] = {}
        self.container: Any = self.root
        self.in_list = False  # whether the container is one
        self.indent = 0
        self.around: list[tuple[int, Any]] = []  # indents and containers of the levels around this one
        self.open: str | None = None  # the last key, as long as lines below it may give it a value
        self.key_places: dict[str, array[int]] = {}
        self.placed: dict[str, Any] = {}  # the field of the top that is being read
        self.places: array[int] = array("q")  # of its keys
        self.line = self.line_start = 0  # of the last key that was noted

    def read(self) -> None:
        position, text, match_line = 0, self.text, _LINE.match
        while position < len(text):
            line = match_line(text, position)
            if line is not None:
                self._take_line(line)
            elif (line := _BLOCK.match(text, position)) is not None:
                self._take_block(line)
            elif _REST.fullmatch(text, position):
                break
            else:
                raise NotPlainError
            began, position = position, line.end()
            if position - began > MAX_SCALAR:
                raise NotPlainError

    def _take_line(self, line: re.Match[str]) -> None:
        indent, opened, key, written = line.groups()
        if opened is not None:
            self._enter(len(indent), opened)
            self._put(line, opened, None)
            self.open = opened
            return
        # Most lines follow one of their own level.
        if len(indent) != self.indent or self.open is not None or (key is None) is not self.in_list:
            self._enter(len(indent), key)
        value, nodes = self.known.get(written) or self._value(written)
        self.nodes += nodes
        self._put(line, key, value)

    def _value(self, written: str) -> tuple[Any, int]:
        """Of what is written in a line, which is remembered."""
        first = written[0]
        read: tuple[Any, int]
        if first in {'"', "'"}:
            read = self.texts.kept(written[1:-1]), 0
        elif first not in {"[", "{"}:
            read = self.texts.plain(written), 0
        elif (value := _flat(self.texts, written)) is not None:
            read = value, 2 * len(value)
        else:
            return self.parse(written, len(self.around) + 1)
        if len(self.known) < _REMEMBERED:
            self.known[written] = read
        return read

    def _take_block(self, block: re.Match[str]) -> None:
        lines, indent, key = block.groups()
        self._enter(len(indent), key)
        self._put(block, key, self._parsed(lines, len(self.around))[0 if key is None else key])

    def _parsed(self, lines: str, depth: int) -> Any:
        parsed = self.parse(lines, depth)
        self.nodes += parsed.nodes
        return parsed.value

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

    def _put(self, line: re.Match[str], key: str | None, value: Any) -> None:
        self.open, container = None, self.container
        if key is None:
            self.nodes += 1
            container.append(value)
            return
        self.nodes += 2
        if key in container:
            raise NotPlainError
        container[self.texts.kept(key)] = value
        if container is self.placed:
            self._note_place(line.start("indent"))

    def _note_place(self, line_start: int) -> None:
        """Of a key of this level; they come in the order in which they stand."""
        self.line += self.text.count("\n", self.line_start, line_start)
        self.line_start = line_start
        self.places.append(place_at(self.line, self.indent))


class _Texts:
    """Texts as values; equal ones are read, and kept, once."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def kept(self, text: str) -> str:
        return self._kept.setdefault(text, text)

    def plain(self, text: str) -> Any:
        """The value of a text without quotes."""
        try:
            value = scalars.resolve(text)
        except ValueError:
            raise NotPlainError from None
        return self.kept(value) if value.__class__ is str else value


def _flat(texts: _Texts, flow: str) -> dict[str, Any] | list[Any] | None:
    """A list, or mapping, of texts in brackets; None if it is none."""
    listed, position, end = flow[0] == "[", 1, len(flow) - 1
    values: list[Any] = []
    keys: list[str] = []
    while position < end:
        item = _ITEM.match(flow, position, end)
        if item is None:
            return None
        key, quoted, text = item.groups()
        if (key is None) is not listed:
            return None
        values.append(texts.plain(text) if quoted is None else texts.kept(quoted[1:-1]))
        if key is not None:
            keys.append(texts.kept(key))
        position = item.end()
    if flow[end - 1] == ",":
        return None
    if listed:
        return values
    mapping = dict(zip(keys, values, strict=True))
    return mapping if len(mapping) == len(keys) else None
