"""What people did, for the audit; and what was made under which idempotency key, so that it is made once."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql.types import Document, Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OF_JOB = sa.text("job is not null")


def upgrade() -> None:
    op.create_table(
        "jobsched_audit",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("done_by", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("run_id", sa.BigInteger),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.PrimaryKeyConstraint("id", name="jobsched_audit_pk"),
        sa.CheckConstraint("via in ('cli', 'http', 'dashboard', 'python')", name="jobsched_audit_via_known"),
        sa.CheckConstraint("count > 0", name="jobsched_audit_count_positive"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobsched_audit_act", "jobsched_audit", ["act"], unique=True)
    op.create_index("jobsched_audit_newest", "jobsched_audit", ["namespace", "id"])
    op.create_index(
        "jobsched_audit_of_job",
        "jobsched_audit",
        ["namespace", "job", "id"],
        postgresql_where=_OF_JOB,
        sqlite_where=_OF_JOB,
    )
    op.create_table(
        "jobsched_idempotency_keys",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("made", Document, nullable=False),
        sa.Column("answer", Document),
        sa.Column("made_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "key", name="jobsched_idempotency_keys_pk"),
    )
    op.create_index("jobsched_idempotency_keys_made", "jobsched_idempotency_keys", ["made_at"])
