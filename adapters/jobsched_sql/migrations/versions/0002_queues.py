"""What a queue may have beside a limit: a rate of starts, and how many runs may wait in it."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql import enqueue_function
from jobsched_sql.types import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: As 0001 made it: SQLite changes a column by making the table anew, and alembic must not look for it, since the script of
#: a schema is written without a database.
_BEFORE = sa.Table(
    "jobsched_queues",
    sa.MetaData(),
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("max_running", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("namespace", "queue", name="jobsched_queues_pk"),
    sa.CheckConstraint("max_running > 0", name="jobsched_queues_limit_positive"),
)
_SCHEDULED = sa.text("state = 'scheduled'")


def upgrade() -> None:
    with op.batch_alter_table("jobsched_queues", copy_from=_BEFORE) as queues:
        queues.alter_column("max_running", existing_type=sa.BigInteger, nullable=True)
        queues.add_column(sa.Column("rate", sa.Text))
        queues.add_column(sa.Column("rate_last_at", Instant))
        queues.add_column(sa.Column("max_queued", sa.BigInteger))
        queues.create_check_constraint("jobsched_queues_max_queued_positive", "max_queued > 0")
        queues.create_check_constraint("jobsched_queues_last_is_of_a_rate", "rate is not null or rate_last_at is null")
    op.create_index(
        "jobsched_runs_scheduled_by_queue",
        "jobsched_runs",
        ["namespace", "queue"],
        postgresql_where=_SCHEDULED,
        sqlite_where=_SCHEDULED,
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(enqueue_function.CHECK_ROOM)
        op.execute(enqueue_function.WITH_QUEUES)
