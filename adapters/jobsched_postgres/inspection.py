"""What `doctor` asks of a PostgreSQL server: who pins dead rows, how the tables are cleaned up, and settings that hurt.

Statements show only what this user may see; sessions of others may be hidden from it. The texts of their
queries are left alone: they are not ours to print.
"""

from datetime import UTC

from sqlalchemy import Connection

from jobsched.model.figures import Sizes
from jobsched.model.health import OpenTransaction, ReplicationSlot, ServerFacts, TableFacts

SETTINGS = ("synchronous_commit", "fsync", "full_page_writes", "max_connections", "autovacuum", "track_counts")

_SERVER = """
select current_setting('server_version') as version, pg_is_in_recovery() as standby, pg_backend_pid() as pid,
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections
"""

_TRANSACTIONS = """
select pid, coalesce(usename, '') as "user", coalesce(application_name, '') as application,
  clock_timestamp() - xact_start as age, backend_xmin is not null or backend_xid is not null as pins
from pg_stat_activity
where xact_start is not null and pid <> pg_backend_pid()
  and (datname = current_database() or backend_type = 'walsender')
  and backend_type in ('client backend', 'walsender')
union all
select null, owner, gid, clock_timestamp() - prepared, true
from pg_prepared_xacts where database = current_database()
order by age desc limit 20
"""

_TABLES = """
select c.relname as name, s.n_live_tup as live, s.n_dead_tup as dead, pg_total_relation_size(c.oid) as bytes,
  greatest(s.last_autovacuum, s.last_vacuum) as vacuumed_at,
  not coalesce('autovacuum_enabled=false' = any(c.reloptions), false) as autovacuum
from pg_class c join pg_stat_user_tables s on s.relid = c.oid
where c.relname like 'jobsched\\_%%' and c.relkind = 'r' and pg_table_is_visible(c.oid)
order by c.relname
"""

#: A standby is at no position of its own.
_SLOTS = """
select slot_name as name, active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as kept_bytes
from pg_replication_slots where restart_lsn is not null order by slot_name
"""

_MAY_SEE_WAL = "select has_function_privilege('pg_ls_waldir()', 'execute')"
_WAL = "select sum(size)::bigint from pg_ls_waldir()"

_INVALID = """
select i.relname from pg_index x
join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
where t.relname like 'jobsched\\_%%' and pg_table_is_visible(t.oid) and not (x.indisvalid and x.indisready)
union all
select k.conname from pg_constraint k join pg_class t on t.oid = k.conrelid
where t.relname like 'jobsched\\_%%' and pg_table_is_visible(t.oid) and not k.convalidated
order by 1
"""


def facts(connection: Connection, told_pid: int) -> ServerFacts:
    """`told_pid`: the process that the server named when the connection was made; a pooler makes one up."""
    server = connection.exec_driver_sql(_SERVER).one()
    settings = connection.exec_driver_sql(
        "select name, setting from pg_settings where name = any(%s)", (list(SETTINGS),)
    )
    slots = [] if server.standby else connection.exec_driver_sql(_SLOTS).mappings().all()
    return ServerFacts(
        version=server.version,
        pooled=server.pid != told_pid,
        standby=server.standby,
        connections=server.connections,
        settings={row.name: row.setting for row in settings},
        transactions=tuple(OpenTransaction(**row) for row in connection.exec_driver_sql(_TRANSACTIONS).mappings()),
        slots=tuple(ReplicationSlot(**row) for row in slots),
        tables=_tables(connection),
        wal_bytes=_wal_bytes(connection),
    )


def sizes(connection: Connection) -> Sizes:
    """Of our tables, by what the server keeps account of anyway."""
    tables = _tables(connection)
    return Sizes(bytes=sum(table.bytes for table in tables), tables=tables)


def _tables(connection: Connection) -> tuple[TableFacts, ...]:
    found = []
    for row in connection.exec_driver_sql(_TABLES).mappings():
        at = row["vacuumed_at"]
        found.append(TableFacts(**{**row, "vacuumed_at": None if at is None else at.astimezone(UTC)}))
    return tuple(found)


def _wal_bytes(connection: Connection) -> int | None:
    if not connection.exec_driver_sql(_MAY_SEE_WAL).scalar_one():
        return None
    total: int | None = connection.exec_driver_sql(_WAL).scalar_one()
    return total


def invalid(connection: Connection) -> tuple[str, ...]:
    """Indexes that were not built to their end, and rules that were not checked on what was there."""
    return tuple(connection.exec_driver_sql(_INVALID).scalars())
