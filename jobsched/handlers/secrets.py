"""Knows what `${VAR}` was resolved to during one attempt, and keeps it out of all that is kept of the attempt."""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from jobsched.errors import JobschedError

if TYPE_CHECKING:
    from jobsched.handlers.call import LogSink

#: Replaces the references of a text with values of the mapping.
Resolve: TypeAlias = Callable[[str, Mapping[str, str]], str]

#: Shorter values are no secrets worth the name, and stand everywhere: `true`, `8080`.
MIN_LENGTH = 6
#: The longest way in which one character may be written: `\ud83d\ude00`, or four bytes as `%F0%9F%98%80`.
_LONGEST_CHARACTER = 12
#: Patterns that are kept, one for each set of values that a text seemed to show.
_MOST_PATTERNS = 32
#: Characters that URLs, JSON and HTML write as they are.
_PLAIN = re.compile("[0-9A-Za-z]+")


class Secrets:
    """Resolves references for one attempt, and notes each value that the environment gave (a default gives none).

    Of a value with several lines each is noted too, since a command's output is read by lines. Found are values as they
    are and as URLs, JSON and HTML write them; not what is made of them otherwise (base64, hashes, parts).
    """

    def __init__(self, resolve: Resolve, environ: Mapping[str, str]) -> None:
        self._resolve = resolve
        self._environ = _Noting(environ, self._note)
        self._names: dict[str, str] = {}
        self._cores: list[tuple[str, str]] = []
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}

    def resolve(self, text: str) -> str:
        """The text with its references replaced. Raises what `resolve` does."""
        return self._resolve(text, self._environ)

    def redact(self, text: str) -> str:
        """The text with `${NAME}` wherever it shows a noted value; the same object if it can show none."""
        values = self._perhaps_in(text)
        if not values:
            return text
        return self._pattern(values).sub(lambda found: f"${{{self._names[values[_which(found)]]}}}", text)

    def redact_json(self, value: Any) -> Any:
        """The JSON value with all its texts redacted, those of its keys too."""
        if not self._names:
            return value
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {self.redact(key): self.redact_json(item) for key, item in value.items()}
            case list():
                return [self.redact_json(item) for item in value]
            case _:
                return value

    def redact_error(self, error: Exception) -> Exception:
        """The same error with its text redacted; a JobschedError that names its type if its text cannot be changed."""
        text = str(error)
        redacted = self.redact(text)
        if redacted == text:
            return error
        error.args = (redacted,)
        # An OSError, for one, makes its text of its attributes.
        return error if str(error) == redacted else JobschedError(f"{type(error).__name__}: {redacted}")

    def settled(self, text: str) -> int:
        """How much of the text can be redacted before more of it has come: in the rest a noted value may have begun."""
        if not self._names:
            return len(text)
        end = max(0, len(text) - _LONGEST_CHARACTER * max(map(len, self._names)))
        values = self._perhaps_in(text)
        if not values:
            return end
        found = self._pattern(values).finditer(text)
        return next((each.start() for each in found if each.start() < end < each.end()), end)

    def _note(self, name: str, value: str) -> None:
        for part in (value, unquote(value), *(line.strip() for line in value.splitlines())):
            if len(part) >= MIN_LENGTH and part not in self._names:
                self._names[part] = name
                # At the same place the longest value wins: another may be its beginning.
                self._cores = sorted([*self._cores, (part, _core(part))], key=lambda each: len(each[0]), reverse=True)

    def _perhaps_in(self, text: str) -> tuple[str, ...]:
        """The noted values that the text may show, longest first.

        A key of fifty lines is fifty values, and a pattern that tries each at each place takes seconds for a megabyte,
        while the whole node waits. A plain search for a part that no spelling changes takes almost nothing.
        """
        return tuple(value for value, core in self._cores if core in text)

    def _pattern(self, values: tuple[str, ...]) -> re.Pattern[str]:
        """Finds these values, each in a group of its own."""
        pattern = self._patterns.get(values)
        if pattern is None:
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns = {}
            pattern = re.compile("|".join(f"({_any_spelling(value)})" for value in values))
            self._patterns[values] = pattern
        return pattern


class RedactingSink:
    """A log that shows no noted value. Each text is redacted for itself, so a value must not be cut in two before."""

    def __init__(self, log: "LogSink", secrets: Secrets) -> None:
        self._log, self._secrets = log, secrets

    def write(self, stream: str, text: str) -> None:
        self._log.write(stream, self._secrets.redact(text))


class _Noting(Mapping[str, str]):
    """An environment that tells of each value that is taken from it."""

    def __init__(self, environ: Mapping[str, str], note: Callable[[str, str], None]) -> None:
        self._environ, self._note = environ, note

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        self._note(name, value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


# -- how a value may be written


def _core(value: str) -> str:
    """Its longest part that is written in one way only; empty if there is none."""
    return max(_PLAIN.findall(value), key=len, default="")


def _which(found: re.Match[str]) -> int:
    assert found.lastindex is not None, "each value is a group"
    return found.lastindex - 1


def _any_spelling(value: str) -> str:
    as_it_is = re.escape(value)
    spelt = "".join(map(_character, value))
    return as_it_is if spelt == as_it_is else f"{as_it_is}|{spelt}"


def _character(character: str) -> str:
    r"""It, or how URLs (`%2F`), JSON (`\/`, `\u002f`) and HTML (`&#x27;`) write it; a backslash only as these do."""
    if _PLAIN.fullmatch(character):
        return character
    if "\ud800" <= character <= "\udfff":
        # A byte that is no text: read back from somewhere it is a replacement character.
        return f"(?>{character}|\ufffd|{_json_number(character)})"
    percent = "".join(f"%{byte:02x}" for byte in character.encode())
    spellings = [f"(?i:{percent}|{_json_number(character)})", f"&#{ord(character)};"]
    spellings += [re.escape(spelling) for spelling in (json.dumps(character)[1:-1], html.escape(character))]
    if character == " ":
        spellings.append(r"\+")
    # Not before a backslash itself: a row of them could be read in many ways.
    spellings.append(r"\\\\" if character == "\\" else r"\\?" + re.escape(character))
    # Atomic: a character is written in one way at one place, and nothing is tried twice.
    return f"(?>{'|'.join(spelling for spelling in spellings if spelling != re.escape(character))})"


def _json_number(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
