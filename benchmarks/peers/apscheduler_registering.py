"""How long APScheduler 3 takes to register jobs in a database: seconds on stdout. Run by rows/files.py.

Jobs by cron expression, as the file of jobsched has them; added before the scheduler starts and stored when it does,
which is its faster way.
"""

import os
import sys
import time
from datetime import UTC

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from benchmarks.peers.apscheduler_engine import engine_of


def task(number: int, region: str) -> None: ...


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore(engine=engine_of(url))}, timezone=UTC)
    began = time.perf_counter()
    for number in range(count):
        trigger = CronTrigger(minute=number % 60, hour=number // 60 % 24, day=1 + number % 28, timezone=UTC)
        scheduler.add_job(task, trigger, kwargs={"number": number, "region": "eu"}, id=f"job-{number}")
    scheduler.start()
    print(time.perf_counter() - began, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
