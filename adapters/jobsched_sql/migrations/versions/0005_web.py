"""Jobs that programs declare at run time, beside those of files."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As text, since both databases take a named rule with a new column, and alembic writes it for PostgreSQL alone.
    op.execute(
        "alter table jobsched_jobs add column origin text default 'file' not null "
        "constraint jobsched_jobs_origin_known check (origin in ('file', 'api'))"
    )
