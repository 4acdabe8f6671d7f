"""From PATHs to the desired state of a namespace, or to all that is wrong with the files, in one pass."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import ValidationError

from jobsched.config import alert_rules, lint, rules, unsupported
from jobsched.config.alike import AlikeFields
from jobsched.config.diagnostics import Diagnostic, Diagnostics, Step, TooManyDiagnosticsError
from jobsched.config.document import Document, read
from jobsched.config.messages import Finding, findings, not_a_name, shown
from jobsched.config.partial import doubtful_fields, sound_part, wrong_fields
from jobsched.config.schema import DEFAULTS, HEAD, JOB, SCHEDULE_KINDS, SETTINGS
from jobsched.config.shared_limits import disagreements
from jobsched.config.sources import Source, content_hash, read_sources
from jobsched.config.values import (
    alerts_of,
    default_values,
    job_values,
    notifiers_of,
    settings_values,
)
from jobsched.cycles import not_looked_for
from jobsched.errors import ConfigError
from jobsched.model.alert import Notifier
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.job import Concurrency, Job
from jobsched.model.job_maker import job_maker
from jobsched.model.names import is_name

DEFAULT_NAMESPACE = "default"
#: What is meant where no path is given.
DEFAULT_PATH = Path("jobs.yaml")
#: What stands at the top of a file for the sake of its jobs.
_OF_JOBS = frozenset({"jobs", "defaults", "calendars", "notifiers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`state` is None if there is an error among the diagnostics. `documents`, by file, know where everything stands."""

    state: DesiredState | None
    diagnostics: tuple[Diagnostic, ...]
    documents: Mapping[str, Document] = field(default_factory=dict)


def load(paths: Sequence[Path], environ: Mapping[str, str] | None = None) -> DesiredState:
    """The state that the files declare. Raises ConfigError with all errors of all files; warnings are `check`'s."""
    loaded = check(paths, environ)
    if loaded.state is None:
        raise ConfigError([found for found in loaded.diagnostics if found.severity == "error"])
    return loaded.state


def check(paths: Sequence[Path], environ: Mapping[str, str] | None = None, *, now: datetime | None = None) -> Loaded:
    """The state and everything worth saying about the files, in one pass: warnings of what is sound beside the errors.

    With `environ`, variables that it lacks are warned about; with `now`, schedules that lie wholly before it.
    """
    found = Diagnostics()
    try:
        sources = read_sources(paths or [DEFAULT_PATH], found)
    except TooManyDiagnosticsError:
        sources = []
    return check_sources(sources, environ, now=now, found=found)


@not_looked_for()
def check_sources(
    sources: Sequence[Source],
    environ: Mapping[str, str] | None = None,
    *,
    now: datetime | None = None,
    found: Diagnostics | None = None,
) -> Loaded:
    """As `check`, of files that have been read already; `found` is what reading them found."""
    found = Diagnostics() if found is None else found
    state, documents = None, {}
    # Too many: the state is None if they are errors, and sound if they are the warnings that come after.
    with suppress(TooManyDiagnosticsError):
        files = [file for source in sources if (file := _File.read(source, found)) is not None]
        documents = {file.document.name: file.document for file in files}
        state = _sound_part(sources, files)
        lint.warn(state, documents, sources, found, environ, now)
    # No file at all says nothing, which is not the same as saying that there are no jobs.
    sound = bool(sources) and not found.errors
    diagnostics = found.in_order(source.name for source in sources)
    return Loaded(state=state if sound else None, diagnostics=diagnostics, documents=documents)


def read_head(paths: Sequence[Path]) -> DesiredState:
    """The files' namespace and settings, without jobs, for commands that ask a store: what is wrong with a job does not matter.

    Nor do defaults, calendars or notifiers. Raises ConfigError if a file cannot be read as YAML at all, or the rest of its
    top is wrong: what is unknown there may be a `settings` or `namespace` that was misspelt.
    """
    found = Diagnostics()
    sources = read_sources(paths, found)
    files = [file for source in sources if (file := _File.read(source, found)) is not None]
    namespace, owner = _namespace(files), _settings_file(files)
    diagnostics = found.in_order(source.name for source in sources)
    if any(one.severity == "error" and one.path.partition(".")[0] not in _OF_JOBS for one in diagnostics):
        raise ConfigError(diagnostics)
    return DesiredState(
        namespace=namespace or DEFAULT_NAMESPACE,
        jobs={},
        settings=owner.settings if owner else Settings(),
        content_hash="",
        settings_file=owner.document.name if owner else None,
    )


@dataclass(slots=True)
class _File:
    """One file on its way: checked at the top, its jobs still as written."""

    document: Document
    head: dict[str, Any]  #: without the fields that are wrong in themselves, also within settings and defaults
    wrong_in_head: frozenset[str]  #: those, which are reported
    jobs: dict[str, Any]
    spoiled: set[tuple[str, int, int]]  #: where the text itself was wrong: nothing more is said there
    found: Diagnostics
    settings: Settings = field(default_factory=Settings)
    doubtful_defaults: frozenset[str] = frozenset()  #: those of which nothing is known
    concurrency: dict[str, Concurrency] = field(default_factory=dict)  #: of the jobs where it is sound
    make_job: Callable[..., Job] = Job

    @classmethod
    def read(cls, source: Source, found: Diagnostics) -> "_File | None":
        """None if there is nothing to look into; then it is reported."""
        document = read(source.content, source.name, found)
        if document is None:
            return None
        file = cls(document, {}, frozenset(), {}, found.places(), found)
        if not isinstance(document.value, dict):
            file.report(_no_mapping(document.value))
            return None
        file.take_jobs(document.value)
        file.check_head(document.value)
        return file

    @property
    def namespace(self) -> str | None:
        """None if it is wrong: nobody knows which one is meant."""
        return None if "namespace" in self.wrong_in_head else self.head.get("namespace", DEFAULT_NAMESPACE)

    def report(self, finding: Finding, below: tuple[Step, ...] = ()) -> None:
        path = below + finding.path
        # A shorthand has no keys of its own: `retries: -1` is wrong at retries, not at retries.max. And of
        # a mapping that lacks something, the key is the place.
        existing, value = self.document.existing(path)
        of_key = finding.of_key if existing == path else isinstance(value, dict)
        diagnostic = self.document.diagnostic(existing, finding.message, finding.hint, of_key=of_key)
        if (diagnostic.file, diagnostic.line, diagnostic.column) not in self.spoiled:
            self.found.add(diagnostic)

    def take_jobs(self, top: dict[str, Any]) -> None:
        jobs = top.get("jobs")
        if isinstance(jobs, dict):
            self.jobs, self.make_job = jobs, job_maker(len(jobs))
        elif "jobs" not in top:
            self.report(Finding((), "has no `jobs`", "write `jobs: {}` if there are none"))
        elif jobs is None:
            self.report(Finding(("jobs",), "has no value", "write `jobs: {}` if there are none", of_key=True))
        else:
            hint = "write the name of each as its key" if isinstance(jobs, list) else ""
            self.report(Finding(("jobs",), f"expected a mapping of jobs by name, not {shown(jobs)}", hint))

    def check_head(self, top: dict[str, Any]) -> None:
        for refusal in unsupported.in_file(top):
            self.report(_not_supported(refusal))
        defaults = top.get("defaults")
        if isinstance(defaults, dict):
            for refusal in unsupported.in_job(defaults):
                self.report(_not_supported(refusal), ("defaults",))
        written = {key: value for key, value in top.items() if key != "jobs"}
        doubtful: dict[str, frozenset[str]] = {}
        try:
            self.head = HEAD(written)
        except ValidationError as error:
            found = list(findings(error, "file", HEAD))
            for finding in found:
                self.report(finding)
            self.wrong_in_head = wrong_fields(found)
            self.head = HEAD({key: value for key, value in written.items() if key not in self.wrong_in_head})
            for name, group in (("settings", SETTINGS), ("defaults", DEFAULTS)):
                if name in self.wrong_in_head:
                    wrong = wrong_fields(found, below=name)
                    self.head[name] = sound_part(group, written[name], wrong)
                    doubtful[name] = doubtful_fields(group, written[name], wrong)
        self.doubtful_defaults = doubtful.get("defaults", frozenset())
        self.judge_head(doubtful.get("settings", frozenset()))

    def judge_head(self, doubtful: frozenset[str]) -> None:
        """What its fields demand of each other; `doubtful`: settings of which nothing may be said."""
        if "settings" in self.head:
            self.settings = settings_values(self.head["settings"])
            for finding in rules.settings_findings(self.settings, doubtful):
                self.report(finding, ("settings",))
        for finding in alert_rules.notifier_findings(self.head.get("notifiers", {})):
            self.report(finding)

    @property
    def notifier_names(self) -> frozenset[str]:
        """Also those that are wrong in themselves."""
        top = self.document.value
        return frozenset(written) if isinstance(written := top.get("notifiers"), dict) else frozenset()

    def base(self, history_max_age: timedelta | None, notifiers: frozenset[str]) -> dict[str, Any]:
        """Arguments of Job that this file's jobs begin with; `notifiers`: the names that there are."""
        defaults = self.head.get("defaults", {})
        values = default_values(defaults, history_max_age)
        given = {key: self.document.value["defaults"][key] for key in defaults}
        for finding in [
            *rules.default_findings(given, values),
            *alert_rules.name_findings(given.get("alerts"), notifiers),
        ]:
            self.report(finding, ("defaults",))
        return values

    def job(self, namespace: str, name: str, entry: Any, alike: AlikeFields, notifiers: "_Notifiers") -> Job | None:
        """A job, or None; then something is wrong with it, or with the defaults, and reported."""
        refused = self._is_refused(name, entry)
        if not isinstance(entry, dict):
            return None
        values = alike.values(entry)
        if values is None:
            self._report_fields(name, entry, alike.base, notifiers.names)
            return None
        doubtful = self.doubtful_defaults and self.doubtful_defaults - entry.keys()
        contradicts = self._contradicts_itself(name, entry, values, doubtful, notifiers.names)
        if refused or contradicts or "defaults" in self.wrong_in_head:
            return None
        if values.get("alerts") is not None:
            scheduled = any(kind in values for kind in SCHEDULE_KINDS)
            values["alerts"] = alerts_of(values["alerts"], notifiers.sound, scheduled=scheduled)
        return self.make_job(namespace=namespace, name=name, **values)

    def _is_refused(self, name: str, entry: Any) -> bool:
        """Whether a job is none, or not supported yet; then it is reported, as is a name that is none."""
        if not is_name(name):
            self.report(Finding((), *not_a_name(name), of_key=True), ("jobs", name))
        if not isinstance(entry, dict):
            self.report(_no_job(name, entry), ("jobs", name))
            return True
        refused = False
        for refusal in unsupported.in_job(entry):
            refused = True
            self.report(_not_supported(refusal), ("jobs", name))
        return refused

    def _report_fields(
        self, name: str, entry: dict[str, Any], base: Mapping[str, Any], notifiers: frozenset[str]
    ) -> None:
        """Reports which fields of a job are wrong in themselves, or never go together, and what there is to say of the rest."""
        wrong = self._wrong_fields(name, entry)
        found = [*rules.kind_findings(entry), *rules.effect_findings(entry, wrong)]
        if not wrong <= JOB.fields.keys():
            # An unknown field may be meant for what is missing, or for the one without which another has no effect.
            found = [finding for finding in rules.kind_findings(entry) if finding.path]
        for finding in found:
            self.report(finding, ("jobs", name))
        sound = {field: value for field, value in entry.items() if field not in wrong}
        doubtful = doubtful_fields(JOB, entry, wrong) | (self.doubtful_defaults - sound.keys())
        self._contradicts_itself(name, sound, job_values(JOB(sound), base), doubtful, notifiers)

    def _wrong_fields(self, name: str, entry: dict[str, Any]) -> frozenset[str]:
        """Those that are wrong in themselves, which are reported."""
        try:
            JOB(entry)
        except ValidationError as error:
            found = list(findings(error, "job", JOB))
        else:
            return frozenset()
        for finding in found:
            self.report(finding, ("jobs", name))
        return wrong_fields(found)

    def _contradicts_itself(
        self,
        name: str,
        entry: dict[str, Any],
        values: dict[str, Any],
        doubtful: frozenset[str],
        notifiers: frozenset[str],
    ) -> bool:
        """Whether fields of a job demand something else of each other, or of the file; then it is reported."""
        if "concurrency" in values and "concurrency" not in doubtful:
            self.concurrency[name] = values["concurrency"]
        found = rules.job_findings(name, entry, values, doubtful)
        if "alerts" in values and "alerts" not in doubtful:
            found += alert_rules.name_findings(entry.get("alerts"), notifiers)
            found += alert_rules.alert_findings(entry, values)
        for finding in found:
            self.report(finding, ("jobs", name))
        return bool(found)


class _Notifiers(NamedTuple):
    """Of all files: by name, and the names of those too that are wrong."""

    sound: Mapping[str, Notifier]
    names: frozenset[str]


def _sound_part(sources: Sequence[Source], files: Sequence[_File]) -> DesiredState:
    """The state, without the jobs that are wrong, which are reported; it is the files' only if nothing is wrong."""
    namespace = _namespace(files)
    owner = _settings_file(files)
    settings = owner.settings if owner else Settings()
    jobs: dict[str, Job] = {}
    owners: dict[str, _File] = {}
    places: dict[str | None, dict[str, tuple[str, int, int]]] = {namespace: {}}
    shared: dict[Any, Any] = {}
    notifiers = _notifiers(files)
    for file in files:
        alike = AlikeFields(file.base(settings.history_max_age, notifiers.names), shared)
        known = places.setdefault(file.namespace, {})
        keys = file.document.key_positions("jobs") if file.jobs else ()
        for (name, entry), (line, column) in zip(file.jobs.items(), keys, strict=True):
            first = known.get(name)
            if first is None:
                known[name] = (file.document.name, line, column)
            else:
                message = f"this job stands in {first[0]}:{first[1]} too; a name is one job's"
                file.report(Finding((), message, of_key=True), ("jobs", name))
            job = file.job(namespace or DEFAULT_NAMESPACE, name, entry, alike, notifiers)
            if first is not None or file.namespace != namespace:
                continue
            owners[name] = file
            if job is not None:
                jobs[name] = job
    limits = {name: file.concurrency[name] for name, file in owners.items() if name in file.concurrency}
    for name, finding in disagreements(limits):
        owners[name].report(finding, ("jobs", name))
    return DesiredState(
        namespace=namespace or DEFAULT_NAMESPACE,
        jobs=jobs,
        settings=settings,
        content_hash=content_hash(sources),
        files=tuple(source.name for source in sources),
        positions=places[namespace],
        settings_file=owner.document.name if owner else None,
    )


def _namespace(files: Iterable[_File]) -> str | None:
    """The one namespace of all files, another one is reported; None if none is known."""
    first: tuple[str, str] | None = None
    for file in files:
        namespace = file.namespace
        if namespace is None:
            continue
        if first is None:
            first = namespace, file.document.name
        elif namespace != first[0]:
            message = f"namespace {namespace} here, {first[0]} in {first[1]}: several at once are not supported yet"
            file.report(Finding(("namespace",), message, "give the files of one namespace"))
    return first[0] if first else None


def _settings_file(files: Iterable[_File]) -> _File | None:
    """The file that has settings; a second one is reported."""
    owner = None
    for file in files:
        if "settings" not in file.head:
            continue
        if owner is None:
            owner = file
        else:
            message = f"settings stand in {owner.document.name} too; one file has them"
            file.report(Finding(("settings",), message, of_key=True))
    return owner


def _notifiers(files: Iterable[_File]) -> _Notifiers:
    """Those of all files; a name that two of them have is reported."""
    sound: dict[str, Notifier] = {}
    owners: dict[str, str] = {}
    for file in files:
        for name in sorted(file.notifier_names):
            first = owners.setdefault(name, file.document.name)
            if first != file.document.name:
                message = f"this notifier stands in {first} too; a name is one notifier's"
                file.report(Finding(("notifiers", name), message, of_key=True))
        sound = {**notifiers_of(file.head.get("notifiers", {})), **sound}
    return _Notifiers(sound, frozenset(owners))


def _no_mapping(value: Any) -> Finding:
    if value is None:
        return Finding((), "is empty: it has no `jobs`", "write `jobs: {}` if there are none")
    return Finding((), f"expected a mapping with `jobs`, not {shown(value)}")


def _no_job(name: str, entry: Any) -> Finding:
    hint = "write at least one of `handler`, `command`, `shell`, `http` below it"
    if name in JOB.fields and entry is not None:
        return Finding((), f"`{name}` is a field of a job, and here the name of one", "indent it below its job's name")
    if entry is None:
        return Finding((), "has no value", hint, of_key=True)
    return Finding((), f"expected a mapping, not {shown(entry)}", hint)


def _not_supported(refusal: unsupported.Refusal) -> Finding:
    return Finding(refusal.path, "not supported yet", refusal.reason, of_key=True)
