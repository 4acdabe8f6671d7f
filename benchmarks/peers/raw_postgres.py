"""The limit of PostgreSQL for one Python connection: psycopg 3, prepared statements, a table with what no queue can do without.

One INSERT a commit; a thousand by one JSON parameter; workers that in one statement finish the last `batch` and claim
the next (SKIP LOCKED), keeping the finished rows as history. No leases, no retries, no results, one thread. With
`notify`, for latency: the INSERT also notifies, and a worker that has found nothing waits for that.
"""

import json
from collections.abc import Callable

import psycopg

_TABLE = """
create table raw (
  id bigint generated always as identity primary key,
  priority int not null default 0,
  available_at timestamptz not null default now(),
  state text not null default 'pending',
  payload jsonb not null,
  started_at timestamptz, finished_at timestamptz
);
create index raw_pending on raw (priority, available_at, id) where state = 'pending'
"""
_ONE = "insert into raw (payload) values (%s::jsonb)"
_MANY = "insert into raw (payload) select value from json_array_elements(%s::json)"
_ONE_AND_NOTIFY = "with made as (insert into raw (payload) values (%s::jsonb)) select pg_notify('raw', '')"
_NEXT = """
with finished as (
  update raw set state = 'succeeded', finished_at = now() where id = any(%s::bigint[])
)
update raw set state = 'running', started_at = now() where id = any(array(
  select id from raw where state = 'pending' order by priority, available_at, id limit %s for update skip locked
)) returning id, payload
"""


class Queue:
    package = "psycopg"
    unfinished = "select exists (select from raw where state <> 'succeeded')"

    def __init__(self, url: str, batch: int = 500, *, notify: bool = False) -> None:
        self._url, self._batch, self._notify = url, batch, notify
        self._one = _ONE_AND_NOTIFY if notify else _ONE

    def install(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(_TABLE)

    def open(self) -> None:
        self._connection = psycopg.connect(self._url, autocommit=True)
        self._connection.prepare_threshold = 0

    def one(self, payload: dict[str, object]) -> None:
        self._connection.execute(self._one, [json.dumps(payload)])

    def many(self, payloads: list[dict[str, object]]) -> None:
        self._connection.execute(_MANY, [json.dumps(payloads)])

    def work(self, done: Callable[[object], None]) -> None:
        if self._notify:
            self._connection.execute("listen raw")
        held: list[int] = []
        while True:
            claimed = self._connection.execute(_NEXT, [held, self._batch]).fetchall()
            for _, payload in claimed:
                done(payload)
            if not claimed and not held:
                if not self._notify:
                    return
                for _ in self._connection.notifies(timeout=10, stop_after=1):
                    pass
            held = [number for number, _ in claimed]
