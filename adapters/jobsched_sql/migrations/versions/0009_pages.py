"""What pages show: what each sync changed value by value, where files declare jobs, and what ended in an hour."""

import sqlalchemy as sa
from alembic import op

from jobsched_sql.types import Document

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RUNS, _OF_JOBS = "jobsched_runs", "jobsched_runs_finished_of_jobs"
_WHERE = sa.text("finished_at is not null and job is not null")


def upgrade() -> None:
    op.add_column("jobsched_generations", sa.Column("changes", Document))
    op.add_column("jobsched_generations", sa.Column("positions", Document))
    # The state beside the time: what ended is then counted without reading the runs.
    op.drop_index(_OF_JOBS, _RUNS)
    columns = ["namespace", "finished_at", "state"]
    op.create_index(_OF_JOBS, _RUNS, columns, postgresql_where=_WHERE, sqlite_where=_WHERE)
