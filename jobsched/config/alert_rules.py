"""What `alerts` and `notifiers` demand: of each other, and of the job."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jobsched.config.messages import Finding
from jobsched.config.payload import payload_findings
from jobsched.config.schema import SCHEDULE_KINDS
from jobsched.config.values import kinds_told
from jobsched.model.alert import SLA_FIELDS, WORDS, AlertKind
from jobsched.model.definition import HANDLER_KINDS
from jobsched.model.durations import format_duration
from jobsched.model.job import History

_SENT_WITH = frozenset({*HANDLER_KINDS, "apprise"})
_OF_SLOTS = ("late", "missed")


def notifier_findings(entries: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a file's `notifiers`: each sends with one thing."""
    for name, entry in entries.items():
        place = ("notifiers", name)
        found = [kind for kind in entry if kind in _SENT_WITH]
        if not found:
            hint = "write one of `apprise`, `http`, `command`, `shell`, `handler`"
            yield Finding(place, "nothing to send with", hint, of_key=True)
        for kind in found[1:]:
            message = f"`{found[0]}` and `{kind}` in one notifier; it sends with one thing"
            yield Finding((*place, kind), message, "`alerts` may name several notifiers", of_key=True)
        if isinstance(entry.get("http"), Mapping):
            for word in WORDS if entry["http"].get("json") is not None else ():
                if word in entry:
                    message = "no effect beside a `json` of its own, which is sent instead"
                    yield Finding((*place, word), message, "remove one of them", of_key=True)
            yield from payload_findings(entry["http"].get("json"), (*place, "http", "json"))


def name_findings(given: Any, known: Collection[str]) -> Iterator[Finding]:
    """Of an `alerts` as written: names that no notifier has."""
    names = given.get("notify", ()) if isinstance(given, Mapping) else ()
    for index, name in enumerate([names] if isinstance(names, str) else names):
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else "declare it under `notifiers` of the file"
            yield Finding(("alerts", "notify", index), f"no notifier is named {name!r}", hint)


def alert_findings(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """`given`: the job's mapping; `values`: arguments of Job, with `alerts` joined with the defaults'."""
    alerts: Mapping[str, Any] | None = values.get("alerts")
    if alerts is None:
        return
    if not alerts.get("notify"):
        yield Finding(("alerts",), "nobody is told", "name notifiers: `notify: […]`", of_key=True)
    told, sla = kinds_told(alerts), alerts.get("sla", {})
    for kind, field in SLA_FIELDS.items():
        if kind in told and field not in sla:
            yield Finding(("alerts", "when"), f"`{kind}` needs a duration", f"write `sla: {{{field}: …}}`")
        elif field in sla and kind not in told:
            hint = f"add `{kind}` to `when`, or remove it"
            yield Finding(("alerts", "sla", field), f"no effect without `{kind}` in `when`", hint, of_key=True)
    if AlertKind.RECOVERY in told and AlertKind.FINAL_FAILURE not in told:
        message = "`recovery` comes after a final failure, which is not in `when`"
        yield Finding(("alerts", "when"), message, "add `final_failure`")
    yield from _without_schedule(given)
    if AlertKind.NO_SUCCESS in told and "max_time_since_success" in sla:
        yield from _forgotten(sla["max_time_since_success"], values.get("history", History()))


def _without_schedule(given: Mapping[str, Any]) -> Iterator[Finding]:
    own = given.get("alerts")
    when = own.get("when", ()) if isinstance(own, Mapping) else ()
    if any(kind in given for kind in SCHEDULE_KINDS):
        return
    for kind in [when] if isinstance(when, str) else when:
        if kind in _OF_SLOTS:
            message = f"`{kind}` is of slots, and a job without a schedule has none; it has no effect here"
            yield Finding(("alerts", "when"), message)


def _forgotten(longest: Any, history: History) -> Iterator[Finding]:
    """A success that is forgotten would be taken for none."""
    place = ("alerts", "sla", "max_time_since_success")
    if history.success == 0:
        yield Finding(place, "`history: {success: 0}` keeps no success to count from", "keep one")
    elif history.max_age < longest:
        kept = format_duration(history.max_age)
        yield Finding(place, f"history keeps runs for {kept} only", f"write a duration of at most {kept}")
