"""What is to be told to people: a row for each breach, whether it is over, and whether somebody was told."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql.types import Document, Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MISSED = sa.text("state = 'skipped' and reason in ('misfire', 'coalesced')")


def upgrade() -> None:
    op.create_table(
        "jobsched_alerts",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant),
        sa.Column("told_at", Instant),
        sa.PrimaryKeyConstraint("id", name="jobsched_alerts_pk"),
        sa.CheckConstraint("closed_at is null or closed_at >= opened_at", name="jobsched_alerts_closed_is_later"),
        sqlite_autoincrement=True,
    )
    _index("jobsched_alerts_breach", "jobsched_alerts", ["namespace", "job", "kind", "subject"], unique=True)
    _index("jobsched_alerts_last_told", "jobsched_alerts", ["namespace", "job", "kind", "told_at"])
    _index("jobsched_alerts_open", "jobsched_alerts", ["namespace", "id"], sa.text("closed_at is null"))
    _index("jobsched_alerts_untold", "jobsched_alerts", ["namespace", "id"], sa.text("told_at is null"))
    _index("jobsched_runs_missed", "jobsched_runs", ["namespace", "finished_at"], _MISSED)


def _index(
    name: str, table: str, columns: list[str], where: sa.TextClause | None = None, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)
