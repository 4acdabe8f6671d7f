"""The tables, their named rules, and the partial indexes that keep claims and sweeps from seeing finished work."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    literal_column,
    or_,
    select,
    text,
)

from jobsched.model.run import RunState
from jobsched_sql.types import Document, Instant

metadata = MetaData()

#: SQLite counts ids up by itself only for a column that is exactly INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")
#: Whose rule it is, where the databases' differ.
_ON = "on"


def rules(table: Table, database: str) -> set[str]:
    """The names of a table's rules on this database, by its `sql_name`."""
    checks = (rule for rule in table.constraints if isinstance(rule, CheckConstraint | ForeignKeyConstraint))
    return {str(rule.name) for rule in checks if rule.info.get(_ON, database) == database}


def _rules_of_runs() -> list[CheckConstraint]:
    """On SQLite the lists are comparisons joined by OR: migration 0010 says why. PostgreSQL has one function for all of them,
    which names the one that was broken: migration 0011.
    """
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
    on_sqlite = [
        CheckConstraint(rule, name=f"jobsched_runs_{name}", info={_ON: "sqlite"}) for name, rule in rules.items()
    ]
    at_once = (
        "jobsched_check_run(state, reason, source, finished_at, node, started_at, scheduled_at, job, attempt, claim_no, "
        "losses, attempts_before, covers_first, covers_last)"
    )
    return [*on_sqlite, CheckConstraint(at_once, name="jobsched_runs_sound", info={_ON: "postgresql"})]


jobs = Table(
    "jobsched_jobs",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("definition", Document, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("schedule_revision", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("cursor_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("origin", Text, nullable=False, server_default=text("'file'")),
    PrimaryKeyConstraint("namespace", "name", name="jobsched_jobs_pk"),
    CheckConstraint("origin in ('file', 'api')", name="jobsched_jobs_origin_known"),
    Index(
        "jobsched_jobs_due",
        "namespace",
        "next_at",
        postgresql_where=text("next_at is not null"),
        sqlite_where=text("next_at is not null"),
    ),
)

runs = Table(
    "jobsched_runs",
    metadata,
    Column("id", _Id, Identity(), nullable=False),
    Column("namespace", Text, nullable=False),
    Column("job", Text),
    Column("handler", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("max_attempts", Integer, nullable=False),
    Column("scheduled_at", Instant),
    Column("available_at", Instant, nullable=False),
    Column("start_by", Instant),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("node", BigInteger),
    Column("abandoned_by", BigInteger),
    Column("cancel_requested_at", Instant),
    Column("claim_no", BigInteger, nullable=False, server_default=text("0")),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    Column("attempts_before", Integer, nullable=False, server_default=text("0")),
    Column("generation", BigInteger),
    Column("concurrency_key", Text),
    Column("unique_key", Text),
    Column("payload", Document, nullable=False),
    Column("result", Document),
    Column("error", Document),
    Column("failure_of", BigInteger),
    Column("covers_first", Instant),
    Column("covers_last", Instant),
    Column("covers_count", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("timeout_ms", BigInteger),
    Column("tags", Document),
    Column("batch", Text),
    Column("trace", Text),
    Column("unique_until", Instant),
    PrimaryKeyConstraint("id", name="jobsched_runs_pk"),
    *_rules_of_runs(),
    sqlite_autoincrement=True,
)

#: The tags of runs turned about, to find runs by them. Triggers keep it: see `run_tags.py`.
run_tags = Table(
    "jobsched_run_tags",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("namespace", "tag", "run_id", name="jobsched_run_tags_pk"),
    sqlite_with_rowid=False,
)

run_logs = Table(
    "jobsched_run_logs",
    metadata,
    Column("run_id", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("stream", Text, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "attempt", "seq", name="jobsched_run_logs_pk"),
    ForeignKeyConstraint(["run_id"], ["jobsched_runs.id"], name="jobsched_run_logs_run", ondelete="CASCADE"),
)

nodes = Table(
    "jobsched_nodes",
    metadata,
    Column("id", _Id, Identity(), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("namespaces", Document, nullable=False),
    Column("lease_ms", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    Column("dead_at", Instant),
    Column("info", Document, nullable=False),
    PrimaryKeyConstraint("id", name="jobsched_nodes_pk"),
    CheckConstraint("lease_ms > 0", name="jobsched_nodes_lease_positive"),
    sqlite_autoincrement=True,
)

generations = Table(
    "jobsched_generations",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("git_commit", Text),
    Column("applied_at", Instant, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("summary", Document, nullable=False),
    Column("changes", Document),  # of the newest alone, as the summary
    Column("positions", Document),  # of the newest one alone that files made
    PrimaryKeyConstraint("namespace", "number", name="jobsched_generations_pk"),
    CheckConstraint("number > 0", name="jobsched_generations_number_positive"),
)

keys = Table(
    "jobsched_keys",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("max_running", BigInteger, nullable=False),
    PrimaryKeyConstraint("namespace", "key", name="jobsched_keys_pk"),
    CheckConstraint("max_running > 0", name="jobsched_keys_limit_positive"),
)

pauses = Table(
    "jobsched_pauses",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("paused_at", Instant, nullable=False),
    Column("paused_by", Text, nullable=False),
    Column("reason", Text),
    Column("until", Instant),
    PrimaryKeyConstraint("namespace", "scope", "name", name="jobsched_pauses_pk"),
    CheckConstraint("scope in ('job', 'queue', 'all')", name="jobsched_pauses_scope_known"),
    CheckConstraint("(scope = 'all') = (name = '')", name="jobsched_pauses_all_has_no_name"),
    CheckConstraint("until is null or until > paused_at", name="jobsched_pauses_until_is_later"),
)

queues = Table(
    "jobsched_queues",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("max_running", BigInteger),
    Column("rate", Text),
    Column("rate_last_at", Instant),
    Column("max_queued", BigInteger),
    PrimaryKeyConstraint("namespace", "queue", name="jobsched_queues_pk"),
    CheckConstraint("max_running > 0", name="jobsched_queues_limit_positive"),
    CheckConstraint("max_queued > 0", name="jobsched_queues_max_queued_positive"),
    CheckConstraint("rate is not null or rate_last_at is null", name="jobsched_queues_last_is_of_a_rate"),
)

alerts = Table(
    "jobsched_alerts",
    metadata,
    Column("id", _Id, Identity(), nullable=False),
    Column("namespace", Text, nullable=False),
    Column("job", Text, nullable=False),  # '' of what is no job's: NULLs would all be different
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Document, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("told_at", Instant),
    PrimaryKeyConstraint("id", name="jobsched_alerts_pk"),
    CheckConstraint("closed_at is null or closed_at >= opened_at", name="jobsched_alerts_closed_is_later"),
    Index("jobsched_alerts_breach", "namespace", "job", "kind", "subject", unique=True),
    Index("jobsched_alerts_last_told", "namespace", "job", "kind", "told_at"),
    sqlite_autoincrement=True,
)
for _name, _where in (("open", "closed_at is null"), ("untold", "told_at is null")):
    Index(
        f"jobsched_alerts_{_name}",
        alerts.c.namespace,
        alerts.c.id,
        postgresql_where=text(_where),
        sqlite_where=text(_where),
    )

#: What people did: a row for each act, written in its transaction. `act` is the key of one that is done in parts.
audit = Table(
    "jobsched_audit",
    metadata,
    Column("id", _Id, Identity(), nullable=False),
    Column("act", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("job", Text),
    Column("queue", Text),
    Column("run_id", BigInteger),
    Column("count", BigInteger, nullable=False),
    Column("details", Document, nullable=False),
    PrimaryKeyConstraint("id", name="jobsched_audit_pk"),
    CheckConstraint("via in ('cli', 'http', 'dashboard', 'python')", name="jobsched_audit_via_known"),
    CheckConstraint("count > 0", name="jobsched_audit_count_positive"),
    Index("jobsched_audit_act", "act", unique=True),
    Index("jobsched_audit_newest", "namespace", "id"),
    Index(
        "jobsched_audit_of_job",
        "namespace",
        "job",
        "id",
        postgresql_where=text("job is not null"),
        sqlite_where=text("job is not null"),
    ),
    sqlite_autoincrement=True,
)

#: What was made under an idempotency key, written in the same transaction; and what was answered, once that is known.
idempotency_keys = Table(
    "jobsched_idempotency_keys",
    metadata,
    Column("namespace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("made", Document, nullable=False),
    Column("answer", Document),
    Column("made_at", Instant, nullable=False),
    PrimaryKeyConstraint("namespace", "key", name="jobsched_idempotency_keys_pk"),
    Index("jobsched_idempotency_keys_made", "made_at"),
)


def _partial(name: str, where: str, *columns: str, unique: bool = False) -> None:
    condition = text(where)
    Index(
        name, *(runs.c[column] for column in columns), unique=unique, postgresql_where=condition, sqlite_where=condition
    )


# The column `queue` at the end of some lets `counts` read the index alone.
_partial("jobsched_runs_pending", "state = 'pending'", "namespace", "priority", "available_at", "id")
_partial("jobsched_runs_pending_by_queue", "state = 'pending'", "namespace", "queue", "priority", "available_at", "id")
_partial("jobsched_runs_scheduled", "state = 'scheduled'", "namespace", "available_at", "id", "queue")
_partial("jobsched_runs_scheduled_by_queue", "state = 'scheduled'", "namespace", "queue")
_partial(
    "jobsched_runs_blocked",
    "state = 'blocked'",
    "namespace",
    "concurrency_key",
    "priority",
    "available_at",
    "id",
    "queue",
)
_partial(
    "jobsched_runs_blocked_by_queue",
    "state = 'blocked'",
    "namespace",
    "queue",
    "concurrency_key",
    "priority",
    "available_at",
    "id",
)
_partial(
    "jobsched_runs_admitted",
    "state in ('pending', 'running') and concurrency_key is not null",
    "namespace",
    "concurrency_key",
)
_partial("jobsched_runs_abandoned", "abandoned_by is not null", "namespace", "concurrency_key", "abandoned_by")
_partial(
    "jobsched_runs_retrying",
    "state = 'scheduled' and concurrency_key is not null and (claim_no > 0 or source = 'slot')",
    "namespace",
    "concurrency_key",
)
_partial(
    "jobsched_runs_to_start",
    "start_by is not null and claim_no = 0 and state in ('pending', 'blocked')",
    "namespace",
    "start_by",
    "id",
)
_partial("jobsched_runs_running", "state = 'running'", "node", "namespace", "queue")
_partial(
    "jobsched_runs_finished_ad_hoc", "finished_at is not null and job is null", "namespace", "state", "finished_at"
)
# The state at the end lets what ended in an hour be counted from the index alone.
_partial(
    "jobsched_runs_finished_of_jobs",
    "finished_at is not null and job is not null",
    "namespace",
    "finished_at",
    "state",
)
_partial("jobsched_runs_failed", "state = 'failed'", "namespace", "id")
_partial("jobsched_runs_failure_of", "failure_of is not null", "failure_of")
_partial("jobsched_runs_of_job", "job is not null", "namespace", "job", "id")
_partial("jobsched_runs_missed", "state = 'skipped' and reason in ('misfire', 'coalesced')", "namespace", "finished_at")
_partial("jobsched_runs_slot", "scheduled_at is not null", "namespace", "job", "scheduled_at", unique=True)
_partial(
    "jobsched_runs_unique_key",
    "unique_key is not null and (state in ('scheduled', 'pending', 'blocked', 'running') or unique_until is not null)",
    "namespace",
    "unique_key",
    unique=True,
)
_partial("jobsched_runs_batch", "batch is not null", "namespace", "batch", "state", "id")

#: As text, because SQLite uses a partial index only for a condition it can read in the statement.
UNFINISHED = text("state in ('scheduled', 'pending', 'blocked', 'running')")
WAITING = text("state in ('scheduled', 'pending', 'blocked')")
#: Has its unique key: a finished run too, until its time is over and somebody has asked for the key.
HAS_UNIQUE_KEY = text("(state in ('scheduled', 'pending', 'blocked', 'running') or unique_until is not null)")
#: A slot that its starting deadline may still skip: due, and never claimed.
TO_START = text("start_by is not null and claim_no = 0 and state in ('pending', 'blocked')")

#: Slots that did not run because their time was over.
MISSED = text("state = 'skipped' and reason in ('misfire', 'coalesced')")
#: Breaches that nobody has been told of, and those that are not over.
UNTOLD, OPEN = text("told_at is null"), text("closed_at is null")

#: A queue that lets runs in by places; one that has nothing but a `max_queued` does not.
LIMITS_STARTS = or_(queues.c.max_running.is_not(None), queues.c.rate.is_not(None))


#: The namespace that a statement made beforehand is about.
NAMESPACE = bindparam("namespace", type_=Text)


def in_state(state: RunState) -> ColumnElement[bool]:
    """The run is in this state, written out for the sake of the partial indexes."""
    return runs.c.state == literal_column(f"'{state.value}'", Text)


def in_limited_queue() -> ColumnElement[bool]:
    """The run needs a place of its queue before it may be pending."""
    limit = select(queues.c.queue).where(queues.c.namespace == runs.c.namespace, queues.c.queue == runs.c.queue)
    return limit.where(LIMITS_STARTS).correlate(runs).exists()
