"""The first schema: jobs, runs, their logs, nodes, generations, concurrency keys and pauses."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql import enqueue_function
from jobsched_sql.types import Document, Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts ids up by itself only for a column that is exactly INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Most rows of these tables are history and rest, while a few die all the time. By PostgreSQL's share of a fifth, a million
# kept runs would let 200,000 dead rows stand in the way of each claim; half as many make it eight times as dear (measured).
_CHURNING = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "1000"}
# Written anew at each heartbeat, and no column that changes is indexed: with room in its page no index is touched.
_BEATING = {"fillfactor": "50"}


def upgrade() -> None:
    _jobs()
    _runs()
    _indexes_of_runs()
    _run_logs()
    _nodes()
    _generations()
    _keys()
    _pauses()
    _queues()
    if op.get_context().dialect.name == "postgresql":
        op.execute(enqueue_function.CREATE)


def _jobs() -> None:
    op.create_table(
        "jobsched_jobs",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("definition", Document, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("schedule_revision", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("cursor_at", Instant, nullable=False),
        sa.Column("next_at", Instant),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", name="jobsched_jobs_pk"),
        postgresql_with=_CHURNING,
    )
    _index("jobsched_jobs_due", "jobsched_jobs", "next_at is not null", ["namespace", "next_at"])


def _runs() -> None:
    op.create_table(
        "jobsched_runs",
        sa.Column("id", _Id, sa.Identity(), nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("handler", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("priority", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("scheduled_at", Instant),
        sa.Column("available_at", Instant, nullable=False),
        sa.Column("start_by", Instant),
        sa.Column("started_at", Instant),
        sa.Column("finished_at", Instant),
        sa.Column("node", sa.BigInteger),
        sa.Column("abandoned_by", sa.BigInteger),
        sa.Column("cancel_requested_at", Instant),
        sa.Column("claim_no", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("losses", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("attempts_before", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("generation", sa.BigInteger),
        sa.Column("concurrency_key", sa.Text),
        sa.Column("unique_key", sa.Text),
        sa.Column("payload", Document, nullable=False),
        sa.Column("result", Document),
        sa.Column("error", Document),
        sa.Column("failure_of", sa.BigInteger),
        sa.Column("covers_first", Instant),
        sa.Column("covers_last", Instant),
        sa.Column("covers_count", sa.BigInteger),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="jobsched_runs_pk"),
        *_rules_of_runs(),
        sqlite_autoincrement=True,
        postgresql_with=_CHURNING,
    )


def _rules_of_runs() -> list[sa.CheckConstraint]:
    rules = {
        "state_known": "state in ('scheduled', 'pending', 'blocked', 'running', "
        "'succeeded', 'failed', 'cancelled', 'skipped')",
        "reason_known": "reason in ('error', 'timeout', 'lost', 'cancelled', 'overlap', 'misfire', 'paused', "
        "'calendar', 'job_removed', 'replaced', 'coalesced')",
        "source_known": "source in ('slot', 'trigger', 'enqueue', 'backfill')",
        "final_is_finished": "(state in ('succeeded', 'failed', 'cancelled', 'skipped')) = (finished_at is not null)",
        "running_is_owned": "state <> 'running' or (node is not null and started_at is not null)",
        "slot_has_job": "scheduled_at is null or job is not null",
        "counts_not_negative": "attempt >= 0 and claim_no >= 0 and losses >= 0 and attempts_before >= 0",
        "covers_in_order": "(covers_first is null and covers_last is null) or covers_first <= covers_last",
    }
    return [sa.CheckConstraint(rule, name=f"jobsched_runs_{name}") for name, rule in rules.items()]


def _indexes_of_runs() -> None:
    """All partial: finished work stands in few of them."""
    unfinished = "state in ('scheduled', 'pending', 'blocked', 'running')"
    held = "state in ('pending', 'running') and concurrency_key is not null"
    retrying = "state = 'scheduled' and concurrency_key is not null and (claim_no > 0 or source = 'slot')"
    order = ["priority", "available_at", "id"]
    key = ["namespace", "concurrency_key"]
    table = "jobsched_runs"
    _index("jobsched_runs_pending", table, "state = 'pending'", ["namespace", *order])
    _index("jobsched_runs_pending_by_queue", table, "state = 'pending'", ["namespace", "queue", *order])
    _index("jobsched_runs_scheduled", table, "state = 'scheduled'", ["namespace", "available_at", "id", "queue"])
    _index("jobsched_runs_blocked", table, "state = 'blocked'", [*key, *order, "queue"])
    _index(
        "jobsched_runs_blocked_by_queue", table, "state = 'blocked'", ["namespace", "queue", "concurrency_key", *order]
    )
    _index("jobsched_runs_admitted", table, held, key)
    _index("jobsched_runs_abandoned", table, "abandoned_by is not null", [*key, "abandoned_by"])
    _index("jobsched_runs_retrying", table, retrying, key)
    _index(
        "jobsched_runs_to_start",
        table,
        "start_by is not null and claim_no = 0 and state in ('pending', 'blocked')",
        ["namespace", "start_by", "id"],
    )
    _index("jobsched_runs_running", table, "state = 'running'", ["node", "namespace", "queue"])
    _index("jobsched_runs_finished", table, "finished_at is not null", ["namespace", "finished_at"])
    _index("jobsched_runs_failed", table, "state = 'failed'", ["namespace", "id"])
    _index("jobsched_runs_failure_of", table, "failure_of is not null", ["failure_of"])
    _index("jobsched_runs_of_job", table, "job is not null", ["namespace", "job", "id"])
    _index("jobsched_runs_slot", table, "scheduled_at is not null", ["namespace", "job", "scheduled_at"], unique=True)
    _index(
        "jobsched_runs_unique_key",
        table,
        f"unique_key is not null and {unfinished}",
        ["namespace", "unique_key"],
        unique=True,
    )


def _index(name: str, table: str, where: str, columns: list[str], *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)


def _run_logs() -> None:
    op.create_table(
        "jobsched_run_logs",
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "attempt", "seq", name="jobsched_run_logs_pk"),
        sa.ForeignKeyConstraint(["run_id"], ["jobsched_runs.id"], name="jobsched_run_logs_run", ondelete="CASCADE"),
        postgresql_with=_CHURNING,
    )


def _nodes() -> None:
    op.create_table(
        "jobsched_nodes",
        sa.Column("id", _Id, sa.Identity(), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("namespaces", Document, nullable=False),
        sa.Column("lease_ms", sa.BigInteger, nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("heartbeat_at", Instant, nullable=False),
        sa.Column("dead_at", Instant),
        sa.Column("info", Document, nullable=False),
        sa.PrimaryKeyConstraint("id", name="jobsched_nodes_pk"),
        sa.CheckConstraint("lease_ms > 0", name="jobsched_nodes_lease_positive"),
        sqlite_autoincrement=True,
        postgresql_with=_BEATING,
    )


def _generations() -> None:
    op.create_table(
        "jobsched_generations",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("git_commit", sa.Text),
        sa.Column("applied_at", Instant, nullable=False),
        sa.Column("applied_by", sa.Text, nullable=False),
        sa.Column("summary", Document, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "number", name="jobsched_generations_pk"),
        sa.CheckConstraint("number > 0", name="jobsched_generations_number_positive"),
    )


def _keys() -> None:
    op.create_table(
        "jobsched_keys",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("max_running", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "key", name="jobsched_keys_pk"),
        sa.CheckConstraint("max_running > 0", name="jobsched_keys_limit_positive"),
    )


def _pauses() -> None:
    op.create_table(
        "jobsched_pauses",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("paused_at", Instant, nullable=False),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("until", Instant),
        sa.PrimaryKeyConstraint("namespace", "scope", "name", name="jobsched_pauses_pk"),
        sa.CheckConstraint("scope in ('job', 'queue', 'all')", name="jobsched_pauses_scope_known"),
        sa.CheckConstraint("(scope = 'all') = (name = '')", name="jobsched_pauses_all_has_no_name"),
        sa.CheckConstraint("until is null or until > paused_at", name="jobsched_pauses_until_is_later"),
    )


def _queues() -> None:
    op.create_table(
        "jobsched_queues",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("max_running", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "queue", name="jobsched_queues_pk"),
        sa.CheckConstraint("max_running > 0", name="jobsched_queues_limit_positive"),
    )
