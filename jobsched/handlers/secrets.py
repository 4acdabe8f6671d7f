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


class Secrets:
    """Resolves references for one attempt, and notes each value that the environment gave (a default gives none).

    Of a value with several lines each is noted too, since a command's output is read by lines. Found are values as they
    are and as URLs, JSON and HTML write them; not what is made of them otherwise (base64, hashes, parts).
    """

    def __init__(self, resolve: Resolve, environ: Mapping[str, str]) -> None:
        self._resolve = resolve
        self._environ = _Noting(environ, self._note)
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._shown: list[str] = []

    def resolve(self, text: str) -> str:
        """The text with its references replaced. Raises what `resolve` does."""
        return self._resolve(text, self._environ)

    def redact(self, text: str) -> str:
        """The text with `${NAME}` wherever it shows a noted value; the same object if nothing was noted."""
        pattern = self._compiled()
        return text if pattern is None else pattern.sub(self._reference, text)

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
        pattern = self._compiled()
        if pattern is None:
            return len(text)
        end = max(0, len(text) - _LONGEST_CHARACTER * max(map(len, self._names)))
        return next((found.start() for found in pattern.finditer(text) if found.start() < end < found.end()), end)

    def _note(self, name: str, value: str) -> None:
        for part in (value, unquote(value), *(line.strip() for line in value.splitlines())):
            if len(part) >= MIN_LENGTH and part not in self._names:
                self._names[part] = name
                self._pattern = None

    def _compiled(self) -> re.Pattern[str] | None:
        if self._pattern is None and self._names:
            # At the same place the longest value wins: another may be its beginning.
            values = sorted(self._names, key=len, reverse=True)
            self._shown = [self._names[value] for value in values]
            self._pattern = re.compile("|".join(f"({_any_spelling(value)})" for value in values))
        return self._pattern

    def _reference(self, found: re.Match[str]) -> str:
        assert found.lastindex is not None, "each value is a group"
        return f"${{{self._shown[found.lastindex - 1]}}}"


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


def _any_spelling(value: str) -> str:
    as_it_is = re.escape(value)
    spelt = "".join(map(_character, value))
    return as_it_is if spelt == as_it_is else f"{as_it_is}|{spelt}"


def _character(character: str) -> str:
    r"""It, or how URLs (`%2F`), JSON (`\/`, `\u002f`) and HTML (`&#x27;`) write it; a backslash only as these do."""
    if character.isascii() and character.isalnum():
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
