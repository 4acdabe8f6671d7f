"""What the jobs of a file say alike, by the thousand: a field that says the same is checked, and turned, once."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import ValidationError

from jobsched.config.rules import effect_findings, kind_findings
from jobsched.config.schema import JOB
from jobsched.config.values import argument, given_parts, joined
from jobsched.model.handler import PythonHandler

#: How many different values of a field are remembered.
_REMEMBERED = 4096
#: Each job has its own, or may do with it as it likes.
_NOT_SHARED = frozenset({"description", "payload", "env"})
#: Few different ones serve all jobs, and are hashable.
_SHARED = frozenset({"cron", "retries", "timeout", "concurrency", "history", "dst", "tags", "every"})
_HAVE_PARTS = frozenset({"retries", "timeout"})
_NO_PARTS: frozenset[str] = frozenset()


#: What a field of a job comes to: the name of an argument of Job, its value, and the parts of `Job.given` that it says.
_Argument: TypeAlias = tuple[str, Any, frozenset[str]]


class _Option(NamedTuple):
    """A field that jobs have."""

    name: str
    check: Callable[[Any], Any]
    known: dict[Any, _Argument] | None  #: by what is written; None: each job has its own


class AlikeFields:
    """Of the jobs of one file. `base`: the arguments they begin with; `shared`: by value, those of the jobs of all files."""

    def __init__(self, base: Mapping[str, Any], shared: MutableMapping[Any, Any]) -> None:
        self.base = base
        self._shared = shared
        self._options: dict[str, _Option] = {}
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
        parts, options = _NO_PARTS, self._options
        for field, written in entry.items():
            option = options.get(field) or self._option(field)
            known = option.known
            if known is None:
                name, value, given = self._argument(option, written)
            else:
                kind = written.__class__
                # Lists and mappings go by their identity: equal ones of a file are mostly one, and all last.
                key = written if kind is str else (kind, id(written) if kind is dict or kind is list else written)
                name, value, given = known.get(key) or self._remembered(option, written, key, known)
            said[name] = value
            if given:
                parts |= given
        return said, parts

    def _option(self, field: str) -> _Option:
        option = self._options[field] = _Option(field, JOB.check_of(field), None if field in _NOT_SHARED else {})
        return option

    def _argument(self, option: _Option, written: Any) -> _Argument:
        checked = option.check(written)
        name, value = argument(option.name, checked, self.base)
        return name, value, given_parts({option.name: checked}) if name in _HAVE_PARTS else _NO_PARTS

    def _remembered(self, option: _Option, written: Any, key: Any, known: dict[Any, _Argument]) -> _Argument:
        name, value, given = self._argument(option, written)
        if name in _SHARED:
            value = self._shared.setdefault(value, value)
        said = name, value, given
        if len(known) < _REMEMBERED:
            known[key] = said
        return said
