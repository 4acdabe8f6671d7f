"""What a client asks of alerts: what people are told, and who."""

from datetime import datetime

from jobsched.client.opened import Opened
from jobsched.errors import UnknownNotifierError
from jobsched.model.alert import ALERT_QUEUE, Breach, Notifier
from jobsched.model.instants import as_utc
from jobsched.model.run import Created, Run, RunFilter, RunState
from jobsched.model.telling import alert_run, trial_message


class Alerts(Opened):
    """The alerts of the namespace."""

    def open_breaches(self) -> list[Breach]:
        """What people are, or will be, alerted of and is not over, the oldest first."""
        return self.store.open_breaches(self.namespace)

    def notifiers(self) -> dict[str, Notifier]:
        """Who can be told, by name: those that a job's `alerts` name."""
        jobs = self.store.watched_jobs(self.namespace)
        found = [notifier for stored in jobs if stored.job.alerts for notifier in stored.job.alerts.notify]
        return {notifier.name: notifier for notifier in sorted(found, key=lambda notifier: notifier.name)}

    def unsent_alerts(self, since: datetime, limit: int = 20) -> list[Run]:
        """Messages of alerts made since then that no attempt could send, newest first."""
        wanted = RunFilter(
            namespace=self.namespace, queue=ALERT_QUEUE, states=(RunState.FAILED,), since=as_utc(since), limit=limit
        )
        return self.store.runs(wanted)

    def test_alert(self, notifier: str) -> Created:
        """Send a message to one of `notifiers`, in one attempt; a node performs it. Raises UnknownNotifierError."""
        known = self.notifiers()
        if notifier not in known:
            raise UnknownNotifierError(self.namespace, notifier, list(known))
        run = alert_run(self.namespace, known[notifier], trial_message(self.namespace, self.store.now()))
        return self.store.enqueue([run._replace(max_attempts=1)])[0]
