"""The port's chapter on the schema."""

from jobsched.model.state import SchemaStatus
from jobsched_sql import schema
from jobsched_sql.store.base import OnDialect


class SqlSchema(OnDialect):
    """What the database is made of."""

    def schema(self) -> SchemaStatus:
        return schema.schema(self._dialect)

    def migrate(self) -> None:
        schema.migrate(self._dialect)

    def schema_script(self) -> str:
        return schema.script(self._dialect)
