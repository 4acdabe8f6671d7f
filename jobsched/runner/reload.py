"""Reload: from changed files to an applied generation, or to a clear word on why the last good state runs on."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from jobsched.config.commit import commit_of
from jobsched.config.load import load
from jobsched.errors import ConfigError, StoreError, SyncConflictError, SyncRefusedError
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.state import Generation
from jobsched.observe.events import SyncApplied, SyncRecovered, SyncRefused, SyncStale
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.signature import Signature, signature
from jobsched.store.port import Store
from jobsched.sync.apply import SyncReport, sync
from jobsched.who import who

log = logging.getLogger("jobsched")


class Reload:
    """Keeps the store equal to the files. `error` says since when and why it is not."""

    def __init__(
        self,
        store: Store,
        heartbeat: Heartbeat,
        paths: Sequence[Path],
        on_synced: Callable[[DesiredState], None],
        events: Events,
        vet: Callable[[DesiredState], Sequence[str]] = lambda _: (),
    ) -> None:
        """`vet`: why a valid state is not to be applied all the same; empty if it is."""
        self._events, self._vet = events, vet
        self._store, self._heartbeat, self._paths, self._on_synced = store, heartbeat, paths, on_synced
        self.error: str | None = None
        self.error_since: datetime | None = None
        self.stale = False
        self.content_hash: str | None = None  #: of the file as last read and found valid
        self._ran: str | None = None
        self._agrees_with = 0  #: the newest generation that these files were found to equal
        self._applying = False
        self._settings: Settings | None = None

    def begin(self, desired: DesiredState) -> None:
        """Apply the state that the node starts with; the stored one runs on if that is refused. Raises StoreError."""
        self._settings = desired.settings
        try:
            self._apply(desired)
        except SyncRefusedError as error:
            self._refused("not applied, the last good state runs on", str(error))

    def __call__(self, seen: Signature) -> None:
        """Read the files again and apply them; keeps the running state when they are not valid.

        `seen`: their signature when they were found to stand still. If they differ from it after they were read, what
        was read may be half, and counts for nothing: the watcher sees the difference too and calls again.
        """
        try:
            desired = load(self._paths, os.environ)
        except ConfigError as error:
            if signature(self._paths) == seen:
                self._refused("the files are not valid, the last good state runs on", str(error))
            return
        if signature(self._paths) != seen:
            return
        if desired.content_hash == self.content_hash and self.error is None and not self.stale:
            log.info("the files were read again: nothing has changed")
            return
        if reasons := self._vet(desired):
            self._refused("not applied, the last good state runs on", "\n".join(reasons))
            return
        self._compare_settings(desired.settings)
        try:
            self._apply(desired)
        except SyncRefusedError as error:
            self._refused("not applied, the last good state runs on", str(error))
        except (SyncConflictError, StoreError) as error:
            # May pass (others sync too, a disk was full): the watcher calls again.
            self._refused("not applied yet, the last good state runs on", str(error))
            raise

    def _apply(self, desired: DesiredState) -> None:
        desired = replace(desired, commit=commit_of([Path(file) for file in desired.files]))
        self._applying = True
        try:
            report = sync(self._store, desired, applied_by=who(), ran_before=self._ran, node=True)
            self._applied(desired, report)
        finally:
            self._applying = False
        self._say(report)
        self._on_synced(desired)
        self._heartbeat.wake()

    def _applied(self, desired: DesiredState, report: SyncReport) -> None:
        self.content_hash = desired.content_hash
        if self.error is not None:
            self._events.emit(SyncRecovered(namespace=desired.namespace))
        self.error, self.error_since = None, None
        self.stale = report.outcome == "stale"
        if report.generation is not None and not self.stale:
            self._ran, self._agrees_with = report.generation.content_hash, report.generation.number

    def notice(self, newest: Generation) -> None:
        """Another node or a person may have applied another state than these files declare. Called by another thread."""
        if self._applying:
            return  # it may be ours, just committed; what is somebody else's is noticed the next time
        if newest.content_hash == self.content_hash:
            self._agrees_with, self.stale = newest.number, False
        elif newest.number > self._agrees_with and not self.stale:
            self.stale = True
            self._events.emit(
                SyncStale(namespace=newest.namespace, generation=newest.number, applied_by=newest.applied_by)
            )
            self._heartbeat.wake()

    def refuse(self, why: str) -> None:
        """The files were not valid when the node started on the stored state."""
        self._refused("the files are not valid, the last good state runs on", why)

    def _refused(self, what: str, why: str) -> None:
        if why != self.error:
            self.error, self.error_since = why, self._heartbeat.now()
            self._events.emit(SyncRefused(what=what, error=why))
            self._heartbeat.wake()

    def _compare_settings(self, new: Settings) -> None:
        # Limits of queues are for all nodes: a sync puts them into the store.
        new = replace(new, queues={})
        if self._settings is not None and new != self._settings:
            log.warning("settings have changed: restart this node for them to take effect")
        self._settings = new

    def _say(self, report: SyncReport) -> None:
        number = report.generation.number if report.generation else 0
        if report.outcome == "stale":
            self._events.emit(SyncStale(namespace=report.namespace, generation=number))
        elif report.outcome == "applied" and report.plan is not None:
            created, updated, removed = (len(report.plan.of(action)) for action in ("create", "update", "remove"))
            self._events.emit(
                SyncApplied(
                    namespace=report.namespace,
                    generation=number,
                    jobs_created=created,
                    jobs_updated=updated,
                    jobs_removed=removed,
                )
            )
