"""`${VAR}` and `${VAR:-default}`: references that stay references until the node that needs the value resolves them."""

import re
from collections.abc import Mapping

from jobsched.errors import MissingVariableError

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references replaced; `$${` stands for `${`. A default serves for an empty variable too.

    Values are taken as they are, never searched for references. Raises MissingVariableError, and ValueError on
    a reference that `check` would have refused.
    """
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if match[0] == "$${":
            return "${"
        if name is None:
            raise ValueError(_UNREADABLE)
        found = environ.get(name)
        if found or (found is not None and default is None):
            return found
        if default is None:
            raise MissingVariableError(name)
        return str(default)

    return _REFERENCE.sub(value, text)


_UNREADABLE = "`${` begins a reference like ${VAR} or ${VAR:-default}; write $${ where it is meant as text"


def check(text: str) -> None:
    """Raises ValueError if a reference cannot be read; whether its variable exists is not asked."""
    if "${" in text and any(match[0] == "${" for match in _REFERENCE.finditer(text)):
        raise ValueError(_UNREADABLE)


def is_reference(text: str) -> bool:
    """Whether the text is one reference and nothing else."""
    match = _REFERENCE.fullmatch(text) if "${" in text else None
    return match is not None and match[1] is not None


def is_from_environment(text: str, environ: Mapping[str, str]) -> bool:
    """Whether the text is one reference and nothing else, and its value comes from the environment, not from its default."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and match[1] is not None and bool(environ.get(match[1]))


def names(text: str) -> list[str]:
    """The variables that it refers to, in order."""
    return [match[1] for match in _REFERENCE.finditer(text) if match[1] is not None]


def required(text: str) -> list[str]:
    """The variables that have no default, in order."""
    if "${" not in text:
        return []
    return [match[1] for match in _REFERENCE.finditer(text) if match[1] is not None and match[2] is None]
