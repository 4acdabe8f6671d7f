"""YAML events turned into data that knows where each key and value stands, within limits.

Built here rather than by `yaml.load`, because that keeps no positions, lets the last of two equal keys win, follows
YAML 1.1, costs several times as much, and dies of deep nesting: libyaml's composer recurses, its events do not.
"""

from array import array
from collections.abc import Callable
from typing import Any, Final, NamedTuple

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
from jobsched.config.diagnostics import Diagnostic, Diagnostics, Step, path_text

#: The same without libyaml: PyYAML's own event parser is a state machine too, it does not recurse.
MAX_DEPTH = 32
MAX_SCALAR = 1024 * 1024
MAX_ALIASES = 1000
#: How many nodes all aliases together may stand for. A long text counts as several: 64 characters are one.
MAX_EXPANSION = 1_000_000

_LINE = 32
_COLUMN_MASK = (1 << _LINE) - 1


class Placed(NamedTuple):
    """Data with its places: the root's, and by the id of each container those of its items, or of keys and values in turn."""

    value: Any
    root: int
    places: dict[int, "array[int]"]


def place_at(line: int, column: int) -> int:
    """A place as one number: cheaper to keep than two, by the million. Both count from 0."""
    return line << _LINE | column


def line_and_column(place: int) -> tuple[int, int]:
    """Both count from 1."""
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


class Builder:
    """Turns events into data; one method an event, called about twenty times for each job of a file."""

    def __init__(self, name: str, text: str, found: Diagnostics, most_nodes: int, depth: int = 0) -> None:
        """`depth`: how many levels deep the text stands in a file."""
        self.name, self.text, self.found = name, text, found
        self.most_nodes, self.depth = most_nodes, depth
        self.stack: list[_Frame] = []
        self.frame: _Frame | None = None
        self.places: dict[int, array[int]] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}  # value and size
        self.texts: dict[str, str] = {}  # equal texts are kept once
        self.nodes = self.aliases = self.expansion = self.documents = 0
        self.root: tuple[Any, int] = (None, 0)
        self.lines: list[str] | None = None
        # Where the last problem was: an alias that is none comes back as an error.
        self.reported: tuple[int, int] | None = None

    def build(self, loader: Callable[[str], Any]) -> Placed | None:
        """None if what is wrong with the text, which is reported, leaves nothing to be made of it."""
        try:
            self._consume(loader(self.text))
        except yaml.MarkedYAMLError as error:
            self._syntax_error(error)
            return None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # libyaml marks all its errors; the parser in Python lets a few of Python's own through.
            self.found.add(Diagnostic(self.name, 1, 1, "error", "", f"not valid YAML: {error}"))
            return None
        except _StopError:
            return None
        return Placed(*self.root, self.places)

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
        if self.depth + len(self.stack) >= MAX_DEPTH:
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
        if self.nodes > self.most_nodes:
            self._stop(place, f"more than {self.most_nodes:,} values; split the file")

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
        places = [(mark.line, mark.column) for mark in marks] or [(0, 0)]
        lines = syntax.LINE_BREAK.split(self.text)
        line, column, message, hint = syntax.explain(error.problem or "unreadable", places, lines)
        if self.reported != (line, column):
            source = lines[line] if line < len(lines) else ""
            self.found.add(Diagnostic(self.name, line + 1, column + 1, "error", "", message, hint, source))

    def _problem(self, place: int, message: str, hint: str = "") -> None:
        line, column = line_and_column(place)
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
