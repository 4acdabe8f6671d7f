"""What the jobs of a file say alike, by the thousand: a field that says the same is checked, and turned, once."""

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from pydantic_core import ValidationError

from jobsched.config.rules import effect_findings, kind_findings
from jobsched.config.schema import JOB
from jobsched.config.values import argument, given_parts, joined
from jobsched.model.handler import PythonHandler

#: How many different values are remembered.
_REMEMBERED = 4096
#: Each job has its own, or may do with it as it likes.
_NOT_SHARED = frozenset({"description", "payload", "env"})
#: Few different ones serve all jobs, and are hashable.
_SHARED = frozenset({"cron", "retries", "timeout", "concurrency", "history", "dst", "tags", "every"})
_HAVE_PARTS = frozenset({"retries", "timeout"})
_NO_PARTS: frozenset[str] = frozenset()


class _Argument(NamedTuple):
    """What a field of a job comes to: an argument of Job, and the parts of `Job.given` that it says."""

    name: str
    value: Any
    given: frozenset[str]


class AlikeFields:
    """Of the jobs of one file. `base`: the arguments they begin with; `shared`: by value, those of the jobs of all files."""

    def __init__(self, base: Mapping[str, Any], shared: MutableMapping[Any, Any]) -> None:
        self.base = base
        self._shared = shared
        self._known: dict[tuple[Any, ...], _Argument] = {}
        self._fit: dict[tuple[str, ...], bool] = {}

    def values(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments of Job; None if a field is wrong in itself, or does not go with the others whatever their values."""
        if not self._fit_together(tuple(entry)):
            return None
        try:
            said, given = self._said(entry)
        except ValidationError:
            return None
        values = joined(said, entry.keys(), self.base)
        if isinstance(values["handler"], PythonHandler):
            values["given"] = self._shared.setdefault(given, given)
        return values

    def _fit_together(self, names: tuple[str, ...]) -> bool:
        fit = self._fit.get(names)
        if fit is None:
            given = dict.fromkeys(names)
            found = any(True for _ in (*kind_findings(given), *effect_findings(given)))
            fit = self._fit[names] = JOB.fields.keys() >= given.keys() and not found
        return fit

    def _said(self, entry: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """What a job's fields come to, as arguments of Job and as `Job.given`."""
        said: dict[str, Any] = {}
        parts = _NO_PARTS
        for option, written in entry.items():
            kind = written.__class__
            # Lists and mappings go by their identity: equal ones of a file are mostly one, and all last.
            key = (option, kind, id(written) if kind is dict or kind is list else written)
            name, value, given = self._known.get(key) or self._argument(option, written, key)
            said[name] = value
            if given:
                parts |= given
        return said, parts

    def _argument(self, option: str, written: Any, key: tuple[Any, ...]) -> _Argument:
        """Of a field as it is written, remembered by the key."""
        checked = JOB.check_of(option)(written)
        name, value = argument(option, checked, self.base)
        if name in _SHARED:
            value = self._shared.setdefault(value, value)
        said = _Argument(name, value, given_parts({option: checked}) if name in _HAVE_PARTS else _NO_PARTS)
        if option not in _NOT_SHARED and len(self._known) < _REMEMBERED:
            self._known[key] = said
        return said
