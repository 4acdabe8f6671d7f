"""A declaration with its keys, texts and numbers told apart."""

import re

from markupsafe import Markup, escape

from jobsched.model.wording import printable

_LINE = re.compile(r"^(?P<before>\s*(?:- )*)(?P<key>[A-Za-z_][\w.-]*)(?P<colon>:)(?P<value>\s.*|)$")
_VALUE = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?P<number>(?<![\w.-])-?\d+(?:\.\d+)?(?:ms|s|m|h|d)?(?=\s*(?:$|[,\]}])))|(?P<word>\b(?:true|false|null)\b(?=\s*(?:$|[,\]}])))"""
)
_CLASSES = {"text": "y-text", "number": "y-number", "word": "y-number"}


def highlighted(yaml: str) -> Markup:
    return Markup("\n").join(_line(line) for line in printable(yaml).split("\n"))


def _line(line: str) -> Markup:
    found = _LINE.match(line)
    if found is None:
        return _value(line)
    key = Markup('{}<span class="y-key">{}</span>{}').format(found["before"], found["key"], found["colon"])
    return key + _value(found["value"])


def _value(text: str) -> Markup:
    parts, place = [], 0
    for found in _VALUE.finditer(text):
        parts.append(escape(text[place : found.start()]))
        parts.append(Markup('<span class="{}">{}</span>').format(_CLASSES[str(found.lastgroup)], found[0]))
        place = found.end()
    return Markup("").join([*parts, escape(text[place:])])
