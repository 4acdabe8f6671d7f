"""YAML text as plain data that knows where each key and value stands, built from the parser's events within limits.

Built here rather than by `yaml.load`, because that keeps no positions, lets the last of two equal keys win, follows
YAML 1.1, costs several times as much, and dies of deep nesting: libyaml's composer recurses, its events do not.
"""

import codecs
import re
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from jobsched.config import scalars, syntax
from jobsched.config.diagnostics import Diagnostic, Diagnostics, Severity, Step, TooManyDiagnosticsError, path_text
from jobsched.errors import ConfigError

MAX_BYTES = 64 * 1024 * 1024
#: The same without libyaml: PyYAML's own event parser is a state machine too, it does not recurse.
MAX_DEPTH = 32
MAX_NODES = 5_000_000
MAX_SCALAR = 1024 * 1024
MAX_ALIASES = 1000
#: How many nodes all aliases together may stand for. A long text counts as several: 64 characters are one.
MAX_EXPANSION = 1_000_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE = 32
_COLUMN_MASK = (1 << _LINE) - 1
_UNREADABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Document:
    """One file's data (`value`) and the place of everything in it. Aliases and merges share the values of their anchors."""

    def __init__(self, name: str, text: str, value: Any, root: int, places: dict[int, "array[int]"]) -> None:
        self.name, self.text, self.value = name, text, value
        self._root, self._places = root, places
        self._lines: list[str] | None = None
        self._order: dict[int, dict[Any, int]] = {}

    def position(self, path: Sequence[Step], *, of_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of what stands at `path`, or of the key that names it.

        Where the path leads to nothing, the deepest part of it that exists is meant, and its key.
        """
        container, place = self.value, self._root
        for depth, step in enumerate(path):
            found = self._step(container, step)
            if found is None:
                return self.position(path[:depth], of_key=True)
            container, key_place, value_place = found
            place = key_place if of_key and depth == len(path) - 1 else value_place
        return _line_and_column(place)

    def existing(self, path: Sequence[Step]) -> tuple[tuple[Step, ...], Any]:
        """The part of the path that leads to something, and what stands there."""
        container = self.value
        for depth, step in enumerate(path):
            found = self._step(container, step)
            if found is None:
                return tuple(path[:depth]), container
            container = found[0]
        return tuple(path), container

    def key_positions(self, mapping: dict[str, Any]) -> Iterator[tuple[int, int]]:
        """Of each key of a mapping of this document, in its order."""
        return map(_line_and_column, self._places[id(mapping)][::2])

    def diagnostic(
        self, path: Sequence[Step], message: str, hint: str = "", *, of_key: bool = False, severity: Severity = "error"
    ) -> Diagnostic:
        line, column = self.position(path, of_key=of_key)
        return Diagnostic(self.name, line, column, severity, path_text(path), message, hint, self.source_line(line))

    def source_line(self, line: int) -> str:
        if self._lines is None:
            self._lines = syntax.LINE_BREAK.split(self.text)
        return self._lines[line - 1] if line <= len(self._lines) else ""

    def _step(self, container: Any, step: Step) -> tuple[Any, int, int] | None:
        """The value at a step, the place of its key and its own."""
        if isinstance(container, list) and isinstance(step, int) and step < len(container):
            place = self._places[id(container)][step]
            return container[step], place, place
        if isinstance(container, dict) and step in container:
            number = self._number(container, step)
            places = self._places[id(container)]
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
    return _Builder(name, text, found).build()


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
    unreadable = _UNREADABLE.search(text)
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


def _line_and_column(place: int) -> tuple[int, int]:
    return (place >> _LINE) + 1, (place & _COLUMN_MASK) + 1


class _StopError(Exception):
    """What was found makes going on senseless."""


_DROPPED: Final[Any] = object()
_UNFINISHED: Final[Any] = object()


class _Frame:
    """A mapping or sequence that is being filled. `key` waits for its value; None: a key is expected next."""

    __slots__ = ("anchor", "key", "key_place", "merges", "place", "places", "start", "value")

    def __init__(self, value: dict[str, Any] | list[Any], place: int, anchor: str | None, start: int) -> None:
        self.value, self.place, self.anchor, self.start = value, place, anchor, start
        self.places: array[int] = array("q")
        self.key: Any = None
        self.key_place = 0
        self.merges: list[tuple[Any, int]] | None = None


class _Builder:
    """Turns events into data; one method an event, called about twenty times for each job of a file."""

    def __init__(self, name: str, text: str, found: Diagnostics) -> None:
        self.name, self.text, self.found = name, text, found
        self.stack: list[_Frame] = []
        self.frame: _Frame | None = None
        self.places: dict[int, array[int]] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}  # value and size
        self.texts: dict[str, str] = {}  # equal texts are kept once
        self.nodes = self.aliases = self.expansion = self.documents = 0
        self.root: tuple[Any, int] = (None, 0)
        self.lines: list[str] | None = None
        self.reported: tuple[int, int] | None = (
            None  # where the last problem was: an alias that is none comes back as an error
        )

    def build(self) -> Document | None:
        try:
            self._consume(_LOADER(self.text))
        except yaml.MarkedYAMLError as error:
            self._syntax_error(error)
            return None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # libyaml marks all its errors; the parser in Python lets a few of Python's own through.
            self.found.add(Diagnostic(self.name, 1, 1, "error", "", f"not valid YAML: {error}"))
            return None
        except _StopError:
            return None
        value, place = self.root
        return Document(self.name, self.text, value, place, self.places)

    def _consume(self, loader: Any) -> None:
        take = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._start,
            MappingEndEvent: self._end,
            SequenceStartEvent: self._start,
            SequenceEndEvent: self._end,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document,
            DocumentEndEvent: self._ignore,
            StreamStartEvent: self._ignore,
            StreamEndEvent: self._ignore,
        }
        get_event = loader.get_event
        while (event := get_event()) is not None:
            take[event.__class__](event)

    def _ignore(self, _: Event) -> None:
        pass

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop(_place(event), "a second document; a file holds one", "remove the line `---`, or split the file")

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        place = mark.line << _LINE | mark.column
        text: str = event.value
        self._count(place)
        if len(text) > MAX_SCALAR:
            self._stop(place, "a text of more than 1 MiB", "keep it in a file of its own, and name that")
        frame = self.frame
        if frame is not None and frame.key is None and frame.value.__class__ is dict:
            self._key(frame, event, text, place)
            return
        value = self._value(event, text, place)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1 + (len(text) >> 6))
        self._attach(value, place)

    def _value(self, event: Any, text: str, place: int) -> Any:
        if not _storable(text):
            self._problem(place, "the character U+0000 and halves of surrogate pairs are not allowed")
        try:
            if event.implicit[0]:
                value = scalars.resolve(text)
            elif event.tag is None:
                value = text
            else:
                value = scalars.resolve_tagged(text, event.tag)
        except ValueError as error:
            hint = syntax.hint_at(self._source(place), place & _COLUMN_MASK) if event.tag else ""
            self._problem(place, str(error), hint)
            return text
        return self.texts.setdefault(value, value) if value.__class__ is str else value

    def _key(self, frame: _Frame, event: Any, text: str, place: int) -> None:
        frame.key_place = place
        if event.anchor is not None:
            self.anchors[event.anchor] = (text, 1 + (len(text) >> 6))
        if text == "<<" and event.implicit[0]:
            if frame.merges is None:
                frame.merges = []
            frame.key = frame.merges
        elif (
            not _storable(text)
            or (not text and event.implicit[0])
            or (event.tag or "!") not in {"!", "tag:yaml.org,2002:str"}
        ):
            self._problem(place, "a key is a plain text")
            frame.key = _DROPPED
        elif text in frame.value:
            first = self._place_of(frame, text)
            message = f"`{text}` stands here a second time; the first is on line {(first >> _LINE) + 1}"
            frame.key = text  # for the path
            self._problem(place, message)
            frame.key = _DROPPED
        else:
            frame.key = self.texts.setdefault(text, text)

    @staticmethod
    def _place_of(frame: _Frame, key: str) -> int:
        return frame.places[2 * list(frame.value).index(key)]

    def _attach(self, value: Any, place: int) -> None:
        frame = self.frame
        if frame is None:
            self.root = (value, place)
            return
        container, key = frame.value, frame.key
        if container.__class__ is list:
            container.append(value)  # a class comparison: isinstance costs more here
            frame.places.append(place)
            return
        frame.key = None
        if key.__class__ is str:
            container[key] = value  # type: ignore[call-overload]  # a dict: the class was compared above
            frame.places.append(frame.key_place)
            frame.places.append(place)
        elif key is frame.merges and key is not None:
            key.append((value, place))

    def _start(self, event: Any) -> None:
        place = _place(event)
        self._count(place)
        frame = self.frame
        mapping = event.__class__ is MappingStartEvent
        if frame is not None and frame.key is None and frame.value.__class__ is dict:
            self._stop(place, "a key is a plain text", "quote it if the brackets belong to it")
        if len(self.stack) >= MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels")
        if not event.implicit and event.tag not in {"!", f"tag:yaml.org,2002:{'map' if mapping else 'seq'}"}:
            self._problem(place, f"unknown tag {event.tag!r}; remove it")
        if event.anchor is not None:
            self.anchors[event.anchor] = (_UNFINISHED, 0)
        self.frame = _Frame({} if mapping else [], place, event.anchor, self.nodes + self.expansion)
        self.stack.append(self.frame)

    def _end(self, _: Event) -> None:
        frame = self.stack.pop()
        self.frame = self.stack[-1] if self.stack else None
        if frame.merges:
            self._merge(frame)
        self.places[id(frame.value)] = frame.places
        if frame.anchor is not None:
            self.anchors[frame.anchor] = (frame.value, 1 + self.nodes + self.expansion - frame.start)
        self._attach(frame.value, frame.place)

    def _merge(self, frame: _Frame) -> None:
        """What `<<` brings, below the mapping's own keys; of several mappings the first that has a key gives it."""
        for value, place in frame.merges or ():
            sources = value if isinstance(value, list) else [value]
            for source in sources:
                if not isinstance(source, dict):
                    self._problem(place, "`<<` takes a mapping, or a list of mappings")
                    continue
                self._merge_one(frame, source)

    def _merge_one(self, frame: _Frame, source: dict[str, Any]) -> None:
        places = self.places[id(source)]
        assert isinstance(frame.value, dict)
        for number, (key, value) in enumerate(source.items()):
            if key not in frame.value:
                frame.value[key] = value
                frame.places.extend(places[2 * number : 2 * number + 2])

    def _alias(self, event: Any) -> None:
        place = _place(event)
        frame = self.frame
        if frame is not None and frame.key is None and frame.value.__class__ is dict:
            self._stop(place, "an alias cannot be a key", syntax.hint_at(self._source(place), place & _COLUMN_MASK))
        self._count(place)
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self._stop(place, f"more than {MAX_ALIASES} aliases")
        value, size = self.anchors.get(event.anchor, (_DROPPED, 0))
        if value is _DROPPED or value is _UNFINISHED:
            why = (
                f"no anchor &{event.anchor} stands before it"
                if value is _DROPPED
                else "it stands inside its own anchor"
            )
            hint = syntax.hint_at(self._source(place), place & _COLUMN_MASK)
            self._problem(place, f"the alias *{event.anchor} means nothing: {why}", hint)
            value = None
        self.expansion += size
        if self.expansion > MAX_EXPANSION:
            self._stop(place, f"its aliases stand for more than {MAX_EXPANSION:,} values")
        self._attach(value, place)

    def _count(self, place: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop(place, f"more than {MAX_NODES:,} values; split the file")

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
        places = [(mark.line, mark.column) for mark in marks] or [(0, 0)]
        lines = syntax.LINE_BREAK.split(self.text)
        line, column, message, hint = syntax.explain(error.problem or "unreadable", places, lines)
        if self.reported != (line, column):
            source = lines[line] if line < len(lines) else ""
            self.found.add(Diagnostic(self.name, line + 1, column + 1, "error", "", message, hint, source))

    def _problem(self, place: int, message: str, hint: str = "") -> None:
        line, column = _line_and_column(place)
        self.reported = (line - 1, column - 1)
        path: list[Step] = []
        for frame in self.stack:
            if isinstance(frame.value, list):
                path.append(len(frame.value))
            elif isinstance(frame.key, str):
                path.append(frame.key)
        self.found.add(
            Diagnostic(self.name, line, column, "error", path_text(path), message, hint, self._source(place))
        )

    def _stop(self, place: int, message: str, hint: str = "") -> None:
        self._problem(place, message, hint)
        raise _StopError

    def _source(self, place: int) -> str:
        if self.lines is None:
            self.lines = syntax.LINE_BREAK.split(self.text)
        line = place >> _LINE
        return self.lines[line] if line < len(self.lines) else ""


def _storable(text: str) -> bool:
    """No database column of text takes NUL or a lone surrogate; escapes can bring both."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _place(event: Any) -> int:
    mark = event.start_mark
    return int(mark.line << _LINE | mark.column)
