"""The limit of SQLite for one Python connection: the sqlite3 module, WAL, synchronous FULL, a table with what no queue can do without.

One INSERT a commit; a thousand by executemany; workers that in one transaction finish the last `batch` and claim the
next, keeping the finished rows as history. No leases, no retries, no results, one thread.
"""

import json
import sqlite3
from collections.abc import Callable

_TABLE = """
create table raw (
  id integer primary key, priority int not null default 0, available_at int not null default 0,
  state text not null default 'pending', payload text not null, started_at int, finished_at int
);
create index raw_pending on raw (priority, available_at, id) where state = 'pending'
"""
_ONE = "insert into raw (payload) values (?)"
_CLAIM = """
update raw set state = 'running', started_at = unixepoch() where id in (
  select id from raw where state = 'pending' order by priority, available_at, id limit ?
) returning id, payload
"""
_FINISH = "update raw set state = 'succeeded', finished_at = unixepoch() where id = ?"


class Queue:
    package = ""
    unfinished = "select exists (select 1 from raw where state <> 'succeeded')"

    def __init__(self, url: str, batch: int = 500) -> None:
        self._file, self._batch = url.removeprefix("sqlite:///"), batch

    def install(self) -> None:
        self.open()
        self._connection.executescript(_TABLE)

    def open(self) -> None:
        self._connection = sqlite3.connect(self._file, isolation_level=None, timeout=10)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")

    def one(self, payload: dict[str, object]) -> None:
        self._connection.execute(_ONE, [json.dumps(payload)])

    def many(self, payloads: list[dict[str, object]]) -> None:
        self._connection.execute("begin immediate")
        self._connection.executemany(_ONE, [[json.dumps(payload)] for payload in payloads])
        self._connection.execute("commit")

    def work(self, done: Callable[[object], None]) -> None:
        held: list[tuple[int]] = []
        while True:
            self._connection.execute("begin immediate")
            self._connection.executemany(_FINISH, held)
            claimed = self._connection.execute(_CLAIM, [self._batch]).fetchall()
            self._connection.execute("commit")
            for _, payload in claimed:
                done(json.loads(payload))
            if not claimed and not held:
                return
            held = [(number,) for number, _ in claimed]
