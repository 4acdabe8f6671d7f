"""Finished runs are found by who keeps them: ad-hoc ones by state and age, those of jobs by age."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLE = "jobsched_runs"
_OLD = "jobsched_runs_finished"
_AD_HOC = "finished_at is not null and job is null"
_OF_JOBS = "finished_at is not null and job is not null"


def upgrade() -> None:
    # Each row stands in one of the two, as it stood in the one before: a run that ends costs no more.
    _index("jobsched_runs_finished_ad_hoc", _AD_HOC, ["namespace", "state", "finished_at"])
    _index("jobsched_runs_finished_of_jobs", _OF_JOBS, ["namespace", "finished_at"])
    op.drop_index(_OLD, _TABLE)


def _index(name: str, where: str, columns: list[str]) -> None:
    condition = sa.text(where)
    op.create_index(name, _TABLE, columns, postgresql_where=condition, sqlite_where=condition)
