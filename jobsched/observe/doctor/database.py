"""Findings about the database itself: schema, settings, what keeps it from cleaning up, room, who may write."""

from collections.abc import Iterator
from datetime import timedelta

from jobsched.model.health import FileFacts, OpenTransaction, ServerFacts, TableFacts
from jobsched.model.state import SchemaStatus
from jobsched.observe.doctor.finding import Facts, Finding, Level, for_so_long, size

#: A transaction that pins dead rows so long slows claims down; after the second, a busy queue is beyond recovery.
_LONG, _TOO_LONG = timedelta(minutes=1), timedelta(minutes=15)
#: Fewer dead rows cost nothing, whatever their share.
_DEAD = 10_000
_MIB = 2**20
#: Of an SQLite log. A checkpoint is tried at 4 MiB, so this much says that somebody is in its way.
_LARGE_LOG = 64 * _MIB
#: That a server keeps for a replica which is away.
_KEPT_LOG = 1024 * _MIB
_LITTLE_ROOM, _NO_ROOM = 1024 * _MIB, 100 * _MIB
#: A node uses up to 20 connections in its pool, and one to listen.
_OF_A_NODE = 21
_UNSAFE = {
    "fsync": "a power cut may destroy the database",
    "full_page_writes": "a power cut may destroy the database",
    "synchronous_commit": "a crash of the server may lose runs that were acknowledged",
    "autovacuum": "dead rows are never cleaned up, and claims become slow",
    "track_counts": "autovacuum does not know what to clean up, and claims become slow",
}


def unreachable(error: str) -> Finding:
    """The only finding there is when nothing can be asked."""
    return Finding("error", "database", error, "see `jobsched db check`, the URL, the server and its log")


def unfit(status: SchemaStatus) -> Finding | None:
    """Why nothing more can be asked; None if the schema is this program's."""
    seen = {"state": status.state, "found": status.found, "needed": status.needed}
    match status.state:
        case "missing":
            return Finding(
                "error", "schema", "there are no jobsched tables", "run: jobsched sync, or jobsched run", seen
            )
        case "older":
            what = f"the schema is {status.found}, older than this jobsched, which needs {status.needed}"
            return Finding("error", "schema", what, "stop the old nodes, then run: jobsched db upgrade", seen)
        case "newer":
            what = f"the schema is {status.found}, newer than this jobsched knows ({status.needed})"
            return Finding("error", "schema", what, "upgrade jobsched on this machine", seen)
        case "current":
            return None


def kind(facts: Facts) -> Iterator[Finding]:
    """Which database it is."""
    found = facts.inspection.database
    if isinstance(found, FileFacts):
        what = f"SQLite {found.version}, {size(found.bytes)}, {size(found.unused_bytes)} of it unused"
        yield Finding("ok", "database", what, seen={"bytes": found.bytes, "unused_bytes": found.unused_bytes})
        return
    total = sum(table.bytes for table in found.tables)
    seen = {"version": found.version, "pooled": found.pooled, "standby": found.standby, "bytes": total}
    if found.standby:
        what, do = f"PostgreSQL {found.version}, a standby: it cannot be written", "point the URL at the primary"
        yield Finding("error", "database", what, do, seen)
        return
    behind = " behind a pooler: wake-ups do not come through it, `poll` finds the work" if found.pooled else ""
    yield Finding("ok", "database", f"PostgreSQL {found.version}, {size(total)} of jobsched{behind}", seen=seen)


def schema(facts: Facts) -> Iterator[Finding]:
    """Whether what the migrations made is still there, whole and in force."""
    missing, invalid = facts.inspection.missing, facts.inspection.invalid
    for name in missing:
        what = f"{name} is missing, or is not as it was made"
        yield Finding("error", "schema", what, "make it again as `jobsched db sql` shows it", {"missing": name})
    for name in invalid:
        do = f"for an index: reindex index {name}; for a rule: alter table … validate constraint {name}"
        yield Finding("error", "schema", f"{name} is there, but not in force", do, {"invalid": name})
    if not missing and not invalid:
        what = f"version {facts.schema.found}, all indexes and rules are there"
        yield Finding("ok", "schema", what, seen={"state": facts.schema.state, "found": facts.schema.found})


def settings(facts: Facts) -> Iterator[Finding]:
    """Settings of a server that cost durability or speed, and how near its connections are to their limit."""
    found = facts.inspection.database
    if isinstance(found, FileFacts):
        if found.journal_mode != "wal":
            what = f"the journal mode is {found.journal_mode}, so readers and the writer wait for each other"
            seen = {"journal_mode": found.journal_mode}
            yield Finding("warning", "settings", what, "while no node runs: pragma journal_mode = wal", seen)
        else:
            yield Finding("ok", "settings", "the journal mode is wal", seen={"journal_mode": "wal"})
        return
    hurting = [name for name in _UNSAFE if found.settings.get(name) == "off"]
    for name in hurting:
        do = f"set {name} = on in the server's configuration"
        yield Finding("warning", "settings", f"{name} is off: {_UNSAFE[name]}", do, {name: "off"})
    most, used = int(found.settings.get("max_connections", 0)), found.connections
    counted = {"connections": used, "max_connections": most}
    needed = _OF_A_NODE * max(len([node for node in facts.nodes if node.alive]), 1)
    if most and (used > most * 0.9 or (not found.pooled and most < needed)):
        what = f"{used} of {most} connections are taken; nodes here may take {needed}"
        yield Finding("warning", "settings", what, "raise max_connections, or put a pooler between", counted)
    elif not hurting:
        yield Finding("ok", "settings", f"{used} of {most} connections are taken; commits are durable", seen=counted)


def transactions(facts: Facts) -> Iterator[Finding]:
    """Long transactions of anybody: while one that pins lives, no row that died since can be cleaned up."""
    found = facts.inspection.database
    if isinstance(found, FileFacts):
        return
    long = [one for one in found.transactions if one.age >= _LONG and one.pins]
    for one in long:
        level: Level = "error" if one.age >= _TOO_LONG else "warning"
        what = f"{_whose(one)} has been open for {for_so_long(one.age)} and pins dead rows: claims become slower"
        do = f"end it: select pg_terminate_backend({one.pid})" if one.pid else f"rollback prepared '{one.application}'"
        seen = {
            "pid": one.pid,
            "user": one.user,
            "application": one.application,
            "seconds": round(one.age.total_seconds()),
        }
        yield Finding(level, "transactions", what, do, seen)
    if not long:
        oldest = max((one.age for one in found.transactions), default=timedelta(0))
        what = f"none is older than {for_so_long(_LONG)} and pins dead rows"
        yield Finding("ok", "transactions", what, seen={"oldest_seconds": round(oldest.total_seconds())})


def _whose(one: OpenTransaction) -> str:
    who = ", ".join(name for name in (one.user, one.application) if name)
    if one.pid is None:
        return f"a prepared transaction ({who})"
    return f"a transaction of process {one.pid} ({who})" if who else f"a transaction of process {one.pid}"


def vacuum(facts: Facts) -> Iterator[Finding]:
    """Whether autovacuum keeps up with the rows that die."""
    found = facts.inspection.database
    if isinstance(found, FileFacts):
        return
    trouble = False
    for table in found.tables:
        when = f"{for_so_long(facts.now - table.vacuumed_at)} ago" if table.vacuumed_at else "never"
        seen = {"table": table.name, "live": table.live, "dead": table.dead, "bytes": table.bytes, "vacuumed": when}
        if not table.autovacuum:
            trouble, do = True, f"alter table {table.name} reset (autovacuum_enabled)"
            yield Finding("warning", "vacuum", f"autovacuum is off for {table.name}", do, seen)
        elif table.dead > max(_DEAD, table.live):
            trouble = True
            what = f"{table.name} has {table.dead:,} dead rows beside {table.live:,}; it was last vacuumed {when}"
            yield Finding("warning", "vacuum", what, f"mind long transactions; then: vacuum {table.name}", seen)
    if not trouble:
        yield Finding("ok", "vacuum", *_all_clean(found.tables))


def _all_clean(tables: tuple[TableFacts, ...]) -> tuple[str, None, dict[str, int]]:
    dead = sum(table.dead for table in tables)
    return f"{dead:,} dead rows, beside {sum(table.live for table in tables):,}", None, {"dead": dead}


def wal(facts: Facts) -> Iterator[Finding]:
    """Write-ahead log that cannot be let go of."""
    found = facts.inspection.database
    if isinstance(found, FileFacts):
        yield _log_of_file(found)
        return
    held = [slot for slot in found.slots if not slot.active and slot.kept_bytes >= _KEPT_LOG]
    for slot in held:
        what = f"replication slot {slot.name} is not in use and keeps {size(slot.kept_bytes)} of log: the disk may fill"
        do = f"let its replica connect, or: select pg_drop_replication_slot('{slot.name}')"
        yield Finding("warning", "wal", what, do, {"slot": slot.name, "kept_bytes": slot.kept_bytes})
    if not held and found.wal_bytes is not None:
        yield Finding("ok", "wal", f"{size(found.wal_bytes)} of log", seen={"bytes": found.wal_bytes})
    elif not held:
        yield Finding("ok", "wal", "no unused replication slot keeps much log", seen={"slots": len(found.slots)})


def _log_of_file(found: FileFacts) -> Finding:
    pages, done = found.wal_pages, found.checkpointed_pages
    seen = {"bytes": found.wal_bytes, "pages": pages, "checkpointed_pages": done}
    if pages is not None and done is not None and done < pages and found.wal_bytes >= _LARGE_LOG:
        what = f"the log has grown to {size(found.wal_bytes)}: a reader that does not end keeps it from the file"
        return Finding("warning", "wal", what, "end shells and programs that have the file open in a transaction", seen)
    return Finding("ok", "wal", f"{size(found.wal_bytes)} of log", seen=seen)


def disk(facts: Facts) -> Iterator[Finding]:
    """Room for an SQLite file; that of a server is the server's to watch."""
    found = facts.inspection.database
    if isinstance(found, ServerFacts):
        return
    free, seen = found.disk_free_bytes, {"free_bytes": found.disk_free_bytes}
    if free >= _LITTLE_ROOM:
        yield Finding("ok", "disk", f"{size(free)} free", seen=seen)
        return
    level: Level = "error" if free < _NO_ROOM else "warning"
    yield Finding(level, "disk", f"only {size(free)} free", "make room: without it nothing can be saved", seen)


def permissions(facts: Facts) -> Iterator[Finding]:
    """Who may write what: this user should be able to, and nobody else."""
    found = facts.inspection.database
    unwritable = found.unwritable if isinstance(found, FileFacts) else ()
    for path in unwritable:
        do = f"run it as the node's user, or: chown, chmod u+w {path}"
        yield Finding("error", "permissions", f"this user may not write {path}", do, {"path": path})
    for exposure in facts.machine.exposures:
        what, _, do = exposure.rpartition(": ")
        yield Finding("warning", "permissions", what, do)
    if not unwritable and not facts.machine.exposures:
        yield Finding("ok", "permissions", "nobody else may change what was looked at")
