"""The port's chapter on nodes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from jobsched.model.state import Node
from jobsched.store.port import Beat
from jobsched_sql import nodes
from jobsched_sql.store.base import OnDialect


class SqlNodes(OnDialect):
    """Nodes come, beat and go."""

    def register(
        self, *, host: str, pid: int, version: str, namespaces: Sequence[str], lease: timedelta, info: Mapping[str, Any]
    ) -> int:
        row = nodes.node_row(host=host, pid=pid, version=version, namespaces=namespaces, lease=lease, info=info)
        return self._dialect.write_once(lambda connection: nodes.register(connection, self._dialect, row))

    def heartbeat(self, node: int, info: Mapping[str, Any]) -> Beat:
        return self._dialect.write_once(lambda connection: nodes.heartbeat(connection, self._dialect, node, info))

    def leave(self, node: int) -> None:
        self._dialect.write(lambda connection: nodes.leave(connection, node))

    def bury(self) -> list[int]:
        return nodes.bury(self._dialect)

    def nodes(self) -> list[Node]:
        return self._dialect.read(lambda connection: nodes.listed(connection, self._dialect))
