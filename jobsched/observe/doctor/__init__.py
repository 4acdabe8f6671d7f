"""What is wrong with a database, its nodes and its work, decided from facts alone: nothing here asks anybody."""

from collections.abc import Callable, Iterator

from jobsched.observe.doctor import alerts, database, nodes, work
from jobsched.observe.doctor.finding import Facts, Finding

#: Each looks at one thing, and says that it is well, or each trouble with it.
CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    database.kind,
    database.schema,
    database.settings,
    database.transactions,
    database.vacuum,
    database.wal,
    database.disk,
    database.permissions,
    nodes.alive,
    nodes.clocks,
    nodes.leases,
    nodes.threads,
    nodes.files,
    nodes.handlers,
    work.slots,
    work.pending,
    work.blocked,
    work.pauses,
    work.failing,
    alerts.sent,
    alerts.told,
    alerts.served,
)


def diagnose(facts: Facts) -> list[Finding]:
    """One finding at least for each check that applies, in the order of the checks."""
    return [finding for check in CHECKS for finding in check(facts)]
