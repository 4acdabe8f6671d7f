"""What the YAML parser's complaints mean: our words, the place of the cause, and the line to write instead."""

import re
from typing import NamedTuple

#: The parser's line breaks: ours must be the same, or its line numbers would not be.
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

_VALUE = re.compile(r"(?:(?P<key>[\w.$-]+)\s*:\s+|(?:^|(?<=\s))-\s+|[\[{,]\s*|^\s*)(?P<value>[*&@%`!].*)")
_MAPPING_IN_VALUE = re.compile(r"^\s*(?:-\s+)?(?P<key>[\w.$-]+)\s*:\s+(?P<value>[^\s\"'\[{|>#].*:(?:\s.*|$))")

_MEANINGS = (
    ("found unexpected end of stream", "a quoted text is not closed; is the file cut short?"),
    ("could not find expected ':'", "expected `key: value`; is a colon, or the space after it, missing?"),
    ("did not find expected key", "expected another `key: value` here; look at the indentation and the line before"),
    ("did not find expected '-' indicator", "expected another `- item` here; look at the indentation"),
    ("did not find expected ',' or ']'", "a list in [ ] is not closed, or a comma is missing"),
    ("did not find expected ',' or '}'", "a map in { } is not closed, or a comma is missing"),
    ("mapping values are not allowed", "a second `: ` in one line; quote the value, or look at the indentation"),
    ("block sequence entries are not allowed", "a list cannot begin here; put `- ` on a line of its own"),
    ("did not find expected node content", "expected a value here"),
    (
        "found unknown escape character",
        "unknown escape in double quotes; write \\\\ for a backslash, or use single quotes",
    ),
    ("found invalid Unicode character escape", "this escape stands for no character"),
    ("found undefined tag handle", "unknown tag; remove it, or quote the value"),
    ("found incompatible YAML document", "unknown YAML version"),
    ("did not find expected <document start>", "text after the end of the document"),
    ("found a tab character", "a tab cannot indent; use spaces"),
)


class SyntaxProblem(NamedTuple):
    """Where and what; line and column count from 0."""

    line: int
    column: int
    message: str
    hint: str


def explain(problem: str, places: list[tuple[int, int]], lines: list[str]) -> SyntaxProblem:
    """The parser's `problem`, found at the first of `places` and begun at the others."""
    line, column = places[0]
    source = lines[line] if line < len(lines) else ""
    if source[column : column + 1] == "\t" or source[:column].lstrip(" ").startswith("\t"):
        return SyntaxProblem(line, column, "a tab cannot indent; use spaces", "")
    for number, reach in places if "directive" not in problem and "incompatible" not in problem else ():
        unquoted = _unquoted(lines[number], reach) if number < len(lines) else None
        if unquoted is not None:
            return SyntaxProblem(number, *unquoted)
    if problem.startswith("found unexpected end of stream"):
        line, column = places[-1]  # where the text begins; the end of the file tells nobody which quote it is
    if "mapping values" in problem and (match := _MAPPING_IN_VALUE.match(source)):
        return SyntaxProblem(line, match.start("value"), _meaning(problem), quote_it(match["key"], match["value"]))
    return SyntaxProblem(line, column, _meaning(problem), "")


def _unquoted(source: str, reach: int) -> tuple[int, str, str] | None:
    """Column, message and hint for a value of this line that begins with an indicator, at or before column `reach`."""
    for match in _VALUE.finditer(source):
        if match.start("value") <= reach:
            return (
                match.start("value"),
                f"a value cannot begin with {match['value'][0]}",
                hint_at(source, match.start("value")),
            )
    return None


def hint_at(source: str, column: int) -> str:
    """`quote it: cron: "*/5 * * * *"` for the unquoted value that begins at this column."""
    before, value = source[:column], source[column:]
    key = re.search(r"([\w.$-]+)\s*:\s+$", before)
    if before.count("[") > before.count("]") or before.count("{") > before.count("}"):
        value = re.split(r"\s*[,\]}]", value, maxsplit=1)[0]
    return quote_it(key[1] if key else None, value)


def quote_it(key: str | None, value: str) -> str:
    text = re.split(r"\s+#", value, maxsplit=1)[0].rstrip()
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if len(quoted) > 80:
        return "quote it"
    return f"quote it: {key}: {quoted}" if key else f"quote it: {quoted}"


def _meaning(problem: str) -> str:
    return next((meaning for start, meaning in _MEANINGS if problem.startswith(start)), f"not valid YAML: {problem}")
