"""Templates of messages: text in which `{job}` and a few other names stand for what they name, and nothing else happens."""

from collections.abc import Mapping
from difflib import get_close_matches
from string import Formatter
from typing import Any

#: What a template may name: of the message, and of the newest breach in it.
TEMPLATE_FIELDS = ("alert", "namespace", "job", "count", "since", "title", "text", "run", "attempt", "reason", "error")


def template_problem(template: str) -> str | None:
    """What is wrong with it, in a clause; None if it can be filled in whatever the message."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return "a single brace"
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in TEMPLATE_FIELDS:
            nearest = get_close_matches(name, TEMPLATE_FIELDS, 1)
            hint = f"; did you mean {{{nearest[0]}}}?" if nearest else ""
            return f"no field is named {name!r}{hint}" if name else "a field without a name"
        if spec or conversion:
            return f"{{{name}}} takes no format"
    return None


def filled_in(template: str, message: Mapping[str, Any], longest: int) -> str:
    """With the message's words in place of the names; what it does not have is left out.

    At most so many characters: a template may name what is long as often as it likes, and a message that became too large
    for a payload would reach nobody.
    """
    newest = message["breaches"][-1] if message["breaches"] else {}
    known = {**newest, **message}
    parts, room = [], longest
    for literal, name, _, _ in Formatter().parse(template):
        for part in (literal, "" if name is None else _shown(known.get(name))):
            parts.append(part)
            room -= len(part)
        if room < 0:
            return "".join(parts)[: longest - 1] + "…"
    return "".join(parts)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
