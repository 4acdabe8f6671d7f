"""Alembic's way in: the connection, its transaction and its lock are the store's; logging and other tables are left alone."""

from alembic import context

from jobsched_sql.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
