"""Connections to PostgreSQL: what becomes of one that cannot be made ready."""

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from jobsched_postgres.connections import OLDEST_SERVER, _prepare


class Cut:
    """A connection whose session is cut as soon as it is opened."""

    info = SimpleNamespace(server_version=OLDEST_SERVER * 10_000)
    adapters = SimpleNamespace(register_loader=lambda *_: None)
    closed = False

    def execute(self, _statement: str) -> None:
        raise psycopg.OperationalError("terminating connection")

    def close(self) -> None:
        self.closed = True


def test_a_new_connection_that_is_cut_before_it_is_ready_is_closed() -> None:
    connection: Any = Cut()
    entry: Any = SimpleNamespace(info={})

    with pytest.raises(psycopg.OperationalError, match="terminating"):
        _prepare(connection, entry)

    assert connection.closed
