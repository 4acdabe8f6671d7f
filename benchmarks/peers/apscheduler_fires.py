"""APScheduler 3 with jobs due each second, in a database: how many ran, and how late. Run by rows/fires.py.

Its best settings as far as we found them: one process (its store cannot be shared), jobs declared by interval, which it
reckons faster than cron; ten threads; nothing coalesced and no grace time, so that each slot runs however late; on SQLite
a write-ahead log with synchronous FULL, which is how jobsched has it, in place of the slower default.
"""

import json
import math
import os
import sys
import threading
import time
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from benchmarks.peers.apscheduler_engine import engine_of

THREADS = 10
#: Seconds from the first job that is registered to the first slot; registering a thousand takes one or two.
TO_REGISTER = 4

_started: dict[int, list[float]] = {}


def tick(number: int) -> None:
    _started[number].append(time.time())


def main() -> None:
    url, jobs, lasting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    to_register = max(TO_REGISTER, jobs // 50)
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine_of(url))},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"coalesce": False, "max_instances": lasting, "misfire_grace_time": None},
        timezone=UTC,
    )
    first = math.ceil(time.time()) + to_register
    start = datetime.fromtimestamp(first, UTC)
    for number in range(jobs):
        _started[number] = []
        trigger = IntervalTrigger(seconds=1, start_date=start)
        scheduler.add_job(tick, trigger, args=[number])
    scheduler.start()
    registered = time.time()
    threading.Event().wait(first + lasting + 2 - time.time())
    late = sorted(at - first - slot for runs in list(_started.values()) for slot, at in enumerate(runs[:lasting]))
    found = {
        "registered_in_time": registered < first,
        "missing": jobs * lasting - len(late),
        "p50": late[len(late) // 2] * 1000,
        "p99": late[int(len(late) * 0.99)] * 1000,
    }
    print(json.dumps(found), flush=True)
    # Its threads may have minutes of work left.
    os._exit(0)


if __name__ == "__main__":
    main()
