"""The same rules of runs in words that SQLite is quick to judge by.

A list after IN is made into a table of its own for each row that a CHECK is about: half of what it cost to claim, finish or
insert a run. Comparisons joined by OR say the same. A rule of a table that exists is changed where its words are kept, which
is how SQLite's documentation does it for what changes nothing on disk; a build that forbids that keeps the old words.
PostgreSQL compares without a table.
"""

from alembic import op
from sqlalchemy.exc import DatabaseError

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_REWRITE = """
update sqlite_master set sql = replace(replace(replace(replace(sql,
  'CHECK (state in (''scheduled'', ''pending'', ''blocked'', ''running'', ''succeeded'', ''failed'', ''cancelled'', ''skipped''))',
  'CHECK (state = ''scheduled'' or state = ''pending'' or state = ''blocked'' or state = ''running'' or state = ''succeeded'' '
    || 'or state = ''failed'' or state = ''cancelled'' or state = ''skipped'')'),
  'CHECK (reason in (''error'', ''timeout'', ''lost'', ''cancelled'', ''overlap'', ''misfire'', ''paused'', '
    || '''calendar'', ''job_removed'', ''replaced'', ''coalesced''))',
  'CHECK (reason is null or reason = ''error'' or reason = ''timeout'' or reason = ''lost'' or reason = ''cancelled'' '
    || 'or reason = ''overlap'' or reason = ''misfire'' or reason = ''paused'' or reason = ''calendar'' '
    || 'or reason = ''job_removed'' or reason = ''replaced'' or reason = ''coalesced'')'),
  'CHECK (source in (''slot'', ''trigger'', ''enqueue'', ''backfill''))',
  'CHECK (source = ''slot'' or source = ''trigger'' or source = ''enqueue'' or source = ''backfill'')'),
  'CHECK ((state in (''succeeded'', ''failed'', ''cancelled'', ''skipped'')) = (finished_at is not null))',
  'CHECK ((state = ''succeeded'' or state = ''failed'' or state = ''cancelled'' or state = ''skipped'') '
    || '= (finished_at is not null))')
where type = 'table' and name = 'jobsched_runs'
"""
#: Making a table and dropping it tells other connections that the schema is another one.
_STATEMENTS = (
    "pragma writable_schema = on",
    _REWRITE,
    "create table jobsched_rules_rewritten (id integer)",
    "drop table jobsched_rules_rewritten",
    "pragma writable_schema = reset",
)


def upgrade() -> None:
    context = op.get_context()
    if context.dialect.name != "sqlite":
        return
    if context.as_sql:
        for statement in _STATEMENTS:
            op.execute(statement)
        return
    connection = op.get_bind()
    connection.exec_driver_sql("savepoint rules")
    try:
        for statement in _STATEMENTS:
            connection.exec_driver_sql(statement)
    except DatabaseError:
        connection.exec_driver_sql("rollback to rules")
    finally:
        connection.exec_driver_sql("pragma writable_schema = off")
    connection.exec_driver_sql("release rules")
