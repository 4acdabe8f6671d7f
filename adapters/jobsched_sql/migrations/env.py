"""Alembic's way in: the connection, its transaction and its lock are the store's; logging and other tables are left alone."""

from alembic import context

from jobsched_sql.schema import VERSION_TABLE

given = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name=given["dialect_name"], version_table=VERSION_TABLE, literal_binds=True)
else:
    context.configure(connection=given["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
