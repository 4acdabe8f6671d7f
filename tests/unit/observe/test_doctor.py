"""What the doctor makes of facts, as a table: the facts that differ from those of a well installation, and the findings."""

import re
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.alert import AlertKind, Alerts, Breach, Notifier, Untold
from jobsched.model.handler import ShellHandler
from jobsched.model.health import (
    BlockedOnKey,
    FileFacts,
    Inspection,
    OpenTransaction,
    Orphans,
    ReplicationSlot,
    ServerFacts,
    TableFacts,
    WaitingInQueue,
)
from jobsched.model.job import Concurrency
from jobsched.model.run import Lack, Run
from jobsched.model.state import Generation, Node, SchemaStatus, StoredJob
from jobsched.observe.doctor import diagnose
from jobsched.observe.doctor.database import unfit
from jobsched.observe.doctor.finding import Facts, Finding, Machine, for_so_long, size, some
from jobsched.testing.builders import HANDLER, NAMESPACE, START, a_job, a_pause

NOW = START + timedelta(days=10)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GIB = 2**30
SERVER = ServerFacts(version="18.4", connections=5, settings={"max_connections": "100", "fsync": "on"})
FILE = FileFacts(
    version="3.40", files=("/srv/jobs.db",), bytes=4096, wal_pages=3, checkpointed_pages=3, disk_free_bytes=9 * GIB
)
NEWEST = Generation(
    namespace=NAMESPACE, number=3, content_hash="ab" * 32, commit=None, applied_at=START, applied_by="ana", summary={}
)


def a_living_node(number: int = 1, *, alive: bool = True, version: str = "1", **info: Any) -> Node:
    return Node(
        id=number,
        host="here",
        pid=1,
        version=version,
        started_at=START,
        heartbeat_at=NOW,
        alive=alive,
        namespaces=(NAMESPACE,),
        info=info,
    )


def a_stored_job(late: timedelta = timedelta(0), **fields: Any) -> StoredJob:
    job = a_job(**fields)
    return StoredJob(job=job, revision=1, schedule_revision=1, cursor=START, next_at=NOW - late, generation=3)


WELL = Facts(
    namespace=NAMESPACE,
    now=NOW,
    schema=SchemaStatus("current", "0001", "0001"),
    inspection=Inspection(database=SERVER),
    newest=NEWEST,
    nodes=(a_living_node(),),
    jobs=(a_stored_job(),),
    machine=Machine(file_hash=NEWEST.content_hash),
)


def ill(facts: Facts) -> list[Finding]:
    return [finding for finding in diagnose(facts) if finding.level != "ok"]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in findings]


def on(database: ServerFacts | FileFacts, **changes: Any) -> Facts:
    return inspected(database=replace(database, **changes))


def inspected(**changes: Any) -> Facts:
    return replace(WELL, inspection=replace(WELL.inspection, **changes))


def a_transaction(age: timedelta, *, pins: bool = True, pid: int | None = 4711) -> OpenTransaction:
    return OpenTransaction(pid=pid, user="ana", application="psql", age=age, pins=pins)


def a_table(**fields: Any) -> TableFacts:
    defaults: dict[str, Any] = {"live": 10, "dead": 0, "bytes": 1, "vacuumed_at": NOW - HOUR, "autovacuum": True}
    return TableFacts(name="jobsched_runs", **defaults | fields)


@pytest.mark.parametrize("facts", [WELL, on(FILE)], ids=["server", "file"])
def test_where_all_is_well_each_check_says_so(facts: Facts) -> None:
    findings = diagnose(facts)

    assert ill(facts) == []
    assert {"database", "schema", "nodes", "clock", "leases", "files", "slots", "pending"} <= {
        f.check for f in findings
    }
    assert len({finding.check for finding in findings}) == len(findings)
    assert all(finding.do is None for finding in findings)


def full(**transactions: Any) -> Facts:
    return on(SERVER, transactions=(a_transaction(**transactions),))


@pytest.mark.parametrize(
    ("facts", "level", "check", "said"),
    [
        (on(SERVER, standby=True), "error", "database", "standby"),
        (inspected(missing=("jobsched_runs_slot",)), "error", "schema", "jobsched_runs_slot is missing"),
        (
            inspected(invalid=("jobsched_runs_slot",)),
            "error",
            "schema",
            "jobsched_runs_slot is there, but not in force",
        ),
        (on(SERVER, settings={"synchronous_commit": "off"}), "warning", "settings", "synchronous_commit is off"),
        (on(SERVER, connections=95), "warning", "settings", "95 of 100 connections"),
        (on(SERVER, settings={"max_connections": "20"}), "warning", "settings", "5 of 20 connections"),
        (on(FILE, journal_mode="delete"), "warning", "settings", "the journal mode is delete"),
        (full(age=2 * MINUTE), "warning", "transactions", r"process 4711 \(ana, psql\) has been open for 2m"),
        (full(age=HOUR), "error", "transactions", "open for 60m"),
        (full(age=HOUR, pid=None), "error", "transactions", "a prepared transaction"),
        (on(SERVER, tables=(a_table(dead=20_000),)), "warning", "vacuum", "20,000 dead rows beside 10; .* 60m ago"),
        (on(SERVER, tables=(a_table(autovacuum=False),)), "warning", "vacuum", "off for jobsched_runs"),
        (
            on(SERVER, slots=(ReplicationSlot(name="away", active=False, kept_bytes=2 * GIB),)),
            "warning",
            "wal",
            r"away is not in use and keeps 2\.0 GiB",
        ),
        (
            on(FILE, wal_bytes=GIB, wal_pages=250_000, checkpointed_pages=10),
            "warning",
            "wal",
            r"grown to 1\.0 GiB: a reader",
        ),
        (on(FILE, disk_free_bytes=GIB // 2), "warning", "disk", "only 512 MiB free"),
        (on(FILE, disk_free_bytes=2**20), "error", "disk", r"only 1\.0 MiB free"),
        (on(FILE, unwritable=("/srv/jobs.db-wal",)), "error", "permissions", "may not write /srv/jobs.db-wal"),
        (
            replace(WELL, machine=Machine(exposures=("users can write /srv: chmod go-w /srv",))),
            "warning",
            "permissions",
            "users can write /srv$",
        ),
        (replace(WELL, nodes=()), "warning", "nodes", "no node is alive"),
        (replace(WELL, nodes=(a_living_node(alive=False),)), "warning", "nodes", "no node is alive"),
        (
            replace(WELL, nodes=(a_living_node(1), a_living_node(2, version="2"))),
            "warning",
            "nodes",
            "different versions: 1, 2",
        ),
        (
            replace(WELL, machine=Machine(skew=timedelta(seconds=90))),
            "warning",
            "clock",
            r"this machine is 90\.0 s behind",
        ),
        (
            replace(WELL, nodes=(a_living_node(skew_seconds=-2.5),)),
            "warning",
            "clock",
            r"node 1 on here is 2\.5 s ahead of",
        ),
        (inspected(orphans=(Orphans(7, 2),)), "warning", "leases", "node 7 is not alive and owns 2 running runs"),
        (replace(WELL, nodes=(a_living_node(abandoned_threads=3),)), "warning", "threads", "lost 3 of its threads"),
        (replace(WELL, machine=Machine(file_hash="cd" * 32)), "warning", "files", "cdcdcdcdcdcd.*abababababab"),
        (replace(WELL, newest=None), "warning", "files", r"not the one applied \(none\)"),
        (replace(WELL, machine=Machine(file_error="jobs.yaml:3:1: no\nmore")), "error", "files", "not valid: .*: no$"),
        (replace(WELL, nodes=(a_living_node(stale=True),)), "warning", "files", "older than what is applied"),
        (replace(WELL, nodes=(a_living_node(error="a.yaml:1:1: no"),)), "error", "files", "does not apply its file"),
        (
            replace(WELL, nodes=(a_living_node(unknown_handlers=[HANDLER]),)),
            "error",
            "handlers",
            "no living node can perform tests:handle, the handler of nightly",
        ),
        (replace(WELL, jobs=(a_stored_job(late=HOUR),)), "error", "slots", "overdue of nightly, by up to 60m"),
        (
            inspected(pending=(WaitingInQueue("mail", 4, NOW - 5 * MINUTE),)),
            "warning",
            "pending",
            "4 pending in queue mail, the oldest for 5m",
        ),
        (inspected(pending=(WaitingInQueue("mail", 1, NOW - HOUR),)), "error", "pending", "for 60m"),
        (
            inspected(blocked=(BlockedOnKey("eu", 5, 0, NOW - HOUR, ()),)),
            "warning",
            "blocked",
            "for 60m, though it has a place",
        ),
        (
            inspected(blocked=(BlockedOnKey("eu", 5, 5, NOW, (Lack("key", "eu", 1, 1),)),)),
            "warning",
            "blocked",
            "whose limit no job declares any more",
        ),
        (
            replace(WELL, failing=frozenset({"nightly", "hourly"})),
            "warning",
            "failing",
            "the last run of hourly, nightly has failed for good",
        ),
        (
            replace(WELL, pauses=(a_pause("all", until=NOW - HOUR),)),
            "warning",
            "pauses",
            "the pause of everything has been over for 60m",
        ),
        (
            replace(WELL, pauses=(a_pause("queue", "mail"),)),
            "warning",
            "pauses",
            "queue mail is paused for 10d, by tests",
        ),
    ],
)
def test_each_trouble_is_found_alone_and_says_what_to_do(facts: Facts, level: str, check: str, said: str) -> None:
    [finding] = ill(facts)

    assert (finding.level, finding.check) == (level, check)
    assert re.search(said, finding.what), finding.what
    assert finding.do


@pytest.mark.parametrize(
    "facts",
    [
        full(age=HOUR, pins=False),
        full(age=MINUTE / 2),
        on(SERVER, tables=(a_table(live=50_000, dead=20_000),)),
        on(SERVER, slots=(ReplicationSlot(name="here", active=True, kept_bytes=2 * GIB),)),
        on(SERVER, pooled=True, settings={"max_connections": "20"}),
        on(FILE, wal_bytes=GIB, wal_pages=250_000, checkpointed_pages=250_000),
        on(FILE, wal_pages=None, checkpointed_pages=None),
        replace(WELL, nodes=(), jobs=()),
        replace(WELL, machine=Machine()),
        replace(WELL, nodes=(a_living_node(unknown_handlers=[HANDLER]), a_living_node(2))),
        replace(WELL, jobs=(a_stored_job(late=HOUR),), pauses=(a_pause("all", since=NOW - HOUR),)),
        inspected(blocked=(BlockedOnKey("eu", 5, 0, NOW - HOUR, (Lack("key", "eu", 1, 1),)),)),
        replace(
            inspected(blocked=(BlockedOnKey("payload.eu=1", 1, 1, NOW, (Lack("key", "payload.eu=1", 1, 1),)),)),
            jobs=(a_stored_job(concurrency=Concurrency(policy="queue", key="payload.eu")),),
        ),
        replace(
            inspected(pending=(WaitingInQueue("mail", 4, NOW - HOUR),)),
            pauses=(a_pause("queue", "mail", since=NOW - HOUR),),
        ),
    ],
)
def test_what_is_as_it_may_be_is_no_trouble(facts: Facts) -> None:
    assert ill(facts) == []


def test_runs_of_a_dead_node_that_no_living_one_can_give_back_are_an_error() -> None:
    facts = replace(inspected(orphans=(Orphans(7, 1),)), nodes=())

    assert told(ill(facts)) == [("warning", "nodes"), ("error", "leases")]


@pytest.mark.parametrize(
    ("nodes", "advice"),
    [((), "start a node"), ((a_living_node(queues=["other"]),), "--queues mail"), ((a_living_node(),), "threads")],
)
def test_the_advice_for_pending_runs_is_what_they_lack(nodes: tuple[Node, ...], advice: str) -> None:
    facts = replace(inspected(pending=(WaitingInQueue("mail", 1, NOW - HOUR),)), nodes=nodes)

    assert advice in str(ill(facts)[-1].do)


@pytest.mark.parametrize("state", ["missing", "older", "newer"])
def test_another_schema_is_an_error(state: Any) -> None:
    finding = unfit(SchemaStatus(state, "0009", "0001"))

    assert finding is not None
    assert (finding.level, finding.check) == ("error", "schema")
    assert finding.do


def test_the_schema_of_this_program_is_fit() -> None:
    assert unfit(SchemaStatus("current", "0001", "0001")) is None


def test_figures_are_for_people() -> None:
    assert [for_so_long(timedelta(seconds=seconds)) for seconds in (5, 119, 120, 7199, 7200, 172_800)] == [
        "5s",
        "119s",
        "2m",
        "119m",
        "2h",
        "2d",
    ]
    assert [size(count) for count in (0, 1023, 1024, 15 * 2**20, 3 * 2**40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "15 MiB",
        "3.0 TiB",
    ]
    assert (some(["a"]), some(["a", "b", "c", "d", "e"])) == ("a", "a, b, c and 2 more")


ALERTING = replace(WELL, jobs=(a_stored_job(alerts=Alerts((Notifier("ops", ShellHandler("x")),))),))


def untold(age: timedelta) -> Untold:
    at = NOW - age
    breach = Breach(id=1, namespace=NAMESPACE, job="nightly", kind=AlertKind.FAILURE, subject="1.1", opened_at=at)
    return Untold(newest=(breach,), count=12, since=at)


def an_unsent_message() -> Run:
    fields: dict[str, Any] = dict.fromkeys(field.name for field in dataclass_fields(Run))
    return Run(**fields | {"id": 7, "payload": {"notifier": "ops"}, "error": ({"message": "answered 500"},)})


@pytest.mark.parametrize(
    ("facts", "level", "said"),
    [
        (
            replace(WELL, unsent=(an_unsent_message(),)),
            "warning",
            "1 of the last day's could not .* to ops: answered 500",
        ),
        (replace(ALERTING, untold=(untold(HOUR),)), "warning", "12 breaches are untold, the oldest for 60m"),
        (replace(ALERTING, nodes=(a_living_node(queues=["default"]),)), "error", "no living node serves queue alerts"),
    ],
)
def test_alerts_that_reach_nobody_are_found_here(facts: Facts, level: str, said: str) -> None:
    [finding] = ill(facts)

    assert (finding.level, finding.check) == (level, "alerts")
    assert re.search(said, finding.what)
    assert finding.do


@pytest.mark.parametrize(
    "facts",
    [
        ALERTING,
        replace(ALERTING, untold=(untold(MINUTE),)),
        replace(ALERTING, nodes=(a_living_node(queues=["alerts"]),)),
        replace(WELL, nodes=(a_living_node(queues=["default"]),)),
    ],
)
def test_alerts_that_are_told_in_time_are_well(facts: Facts) -> None:
    assert ill(facts) == []
