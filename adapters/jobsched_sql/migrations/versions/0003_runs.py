"""What an enqueued run may say besides: a timeout, tags, a batch, and how long it keeps its unique key."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql import enqueue_function, run_tags
from jobsched_sql.types import Document, Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_RUNS = "jobsched_runs"
_UNFINISHED = "state in ('scheduled', 'pending', 'blocked', 'running')"
# As those of runs: most of these rows are history.
_CHURNING = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "1000"}


def upgrade() -> None:
    for column in (
        sa.Column("timeout_ms", sa.BigInteger),
        sa.Column("tags", Document),
        sa.Column("batch", sa.Text),
        sa.Column("unique_until", Instant),
    ):
        op.add_column(_RUNS, column)
    _run_tags()
    _index("jobsched_runs_batch", "batch is not null", ["namespace", "batch", "state", "id"])
    _unique_key()
    if op.get_context().dialect.name == "postgresql":
        op.execute(enqueue_function.DROP)
        op.execute(enqueue_function.WITH_RUNS)


def _run_tags() -> None:
    op.create_table(
        "jobsched_run_tags",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "tag", "run_id", name="jobsched_run_tags_pk"),
        postgresql_with=_CHURNING,
        sqlite_with_rowid=False,
    )
    for statement in run_tags.TRIGGERS[op.get_context().dialect.name]:
        op.execute(statement)


def _unique_key() -> None:
    """The key is taken for as long as it is to be, also by a run that has finished."""
    op.drop_index("jobsched_runs_unique_key", _RUNS)
    taken = f"unique_key is not null and ({_UNFINISHED} or unique_until is not null)"
    _index("jobsched_runs_unique_key", taken, ["namespace", "unique_key"], unique=True)


def _index(name: str, where: str, columns: list[str], *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, _RUNS, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
