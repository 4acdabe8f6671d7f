"""The trace that a run goes on with, of whoever enqueued it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobsched_runs", sa.Column("trace", sa.Text))
