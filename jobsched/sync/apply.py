"""Applying a desired state: plan against the store, in one transaction, again if somebody was faster."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jobsched.cycles import not_looked_for
from jobsched.errors import SyncConflictError
from jobsched.model.desired import DesiredState
from jobsched.model.state import GENERATIONS_KEPT, Generation
from jobsched.store.port import Store
from jobsched.sync.plan import Plan, change_of, plan
from jobsched.sync.record import changes_of, positions_of

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did. `generation`: the newest one afterwards (None: nothing was ever applied)."""

    namespace: str
    outcome: Literal["applied", "unchanged", "stale"]
    generation: Generation | None
    plan: Plan | None = None  #: None: the content hash, or the stale rule, answered without one


@not_looked_for()
def sync(
    store: Store,
    desired: DesiredState,
    *,
    applied_by: str,
    allow_delete: bool = False,
    ran_before: str | None = None,
    node: bool = False,
) -> SyncReport:
    """Make the store's namespace equal `desired`.

    With `node` the stale rule holds (DESIGN §8): a file that is merely old changes nothing. `ran_before` is then the
    content hash that the node ran until now.
    Raises SyncRefusedError (the brake), SyncConflictError after many tries, StoreError.
    """
    for attempt in range(_TRIES):
        newest = _newest(store.generations(desired.namespace, 1))
        if newest is not None and newest.content_hash == desired.content_hash:
            return SyncReport(namespace=desired.namespace, outcome="unchanged", generation=newest)
        if node and newest is not None and ran_before != newest.content_hash:
            history = store.generations(desired.namespace, GENERATIONS_KEPT)
            if is_stale(desired, history):
                return SyncReport(namespace=desired.namespace, outcome="stale", generation=newest)
        planned = plan(desired, store.actual(desired.namespace), store.now())
        if planned.empty:
            return SyncReport(namespace=desired.namespace, outcome="unchanged", generation=newest, plan=planned)
        if not allow_delete:
            planned.check_brake()
        try:
            change = change_of(planned, desired, applied_by)
            generation = store.apply(replace(change, changes=changes_of(planned), positions=positions_of(desired)))
        except SyncConflictError:
            if attempt == _TRIES - 1:
                raise
            continue
        return SyncReport(namespace=desired.namespace, outcome="applied", generation=generation, plan=planned)
    raise AssertionError("unreachable")


def is_stale(desired: DesiredState, history: Sequence[Generation]) -> bool:
    """Whether the file is one that was applied before and has been replaced since.

    `history` is newest first. A git commit that no generation has makes old content new: it is a revert.
    """
    if desired.commit is not None and all(generation.commit != desired.commit for generation in history):
        return False
    return any(generation.content_hash == desired.content_hash for generation in history[1:])


def _newest(generations: Sequence[Generation]) -> Generation | None:
    return generations[0] if generations else None
