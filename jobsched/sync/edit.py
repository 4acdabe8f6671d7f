"""One job made, changed or removed at run time: a plan of one, among the jobs that no file declares."""

from dataclasses import dataclass, replace
from typing import Literal

from jobsched.errors import FileJobError, JobChangedError, JobExistsError, SyncConflictError
from jobsched.model.audit import Act
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.job import Job
from jobsched.model.once import Once
from jobsched.model.state import ActualState, Generation, Origin, StoredJob
from jobsched.store.port import Store
from jobsched.sync.plan import change_of, plan
from jobsched.sync.record import changes_of

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`job` None: it is to be removed, and then was. `expected`: the generation that must have changed it last; None: any."""

    namespace: str
    name: str
    action: Literal["create", "update", "remove"]
    job: Job | None = None
    expected: int | None = None


def apply_edit(store: Store, edit: Edit, act: Act, once: Once | None = None) -> bool:
    """Do it, as a generation of its own; False if there is no job of this name to be changed or removed.

    What is as it was makes no generation, and is no act. Raises JobExistsError, FileJobError, JobChangedError,
    MadeBeforeError, and SyncConflictError after many tries.
    """
    for attempt in range(_TRIES):
        newest, stored = next(iter(store.generations(edit.namespace, 1)), None), _stored(store, edit)
        if stored is None and edit.action != "create":
            return False
        _check(edit, stored)
        # The other jobs are not read: what is not seen here is neither written nor removed.
        actual = ActualState(
            namespace=edit.namespace,
            jobs={} if stored is None else {edit.name: stored},
            generation=newest,
            pauses=tuple(store.pauses([edit.namespace])),
        )
        planned = plan(_desired(edit, newest), actual, store.now(), Origin.API)
        if planned.empty:
            return True
        try:
            change = replace(change_of(planned, _desired(edit, newest), act.by), changes=changes_of(planned))
            store.apply(change, act=act, once=once)
        except SyncConflictError:
            if attempt == _TRIES - 1:
                raise
            continue
        return True
    raise AssertionError("unreachable")


def _stored(store: Store, edit: Edit) -> StoredJob | None:
    return next(iter(store.jobs(edit.namespace, [edit.name])), None)


def _desired(edit: Edit, newest: Generation | None) -> DesiredState:
    """With the hash and commit that the files have: they are as they were, and no node's file has become an old one."""
    return DesiredState(
        namespace=edit.namespace,
        jobs={} if edit.job is None else {edit.name: edit.job},
        settings=Settings(),
        content_hash=newest.content_hash if newest else "",
        commit=newest.commit if newest else None,
    )


def _check(edit: Edit, stored: StoredJob | None) -> None:
    if stored is not None and edit.action == "create":
        raise JobExistsError(edit.name, stored.origin, stored.generation)
    if stored is not None and stored.origin is Origin.FILE:
        raise FileJobError(edit.name, stored.generation)
    if stored is not None and edit.expected is not None and stored.generation != edit.expected:
        raise JobChangedError(edit.name, edit.expected, stored.generation)
