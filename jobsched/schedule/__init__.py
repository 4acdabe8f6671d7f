"""When: arithmetic on time, without I/O."""

from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.interval import IntervalSchedule
from jobsched.schedule.once import OnceSchedule
from jobsched.schedule.schedule import Schedule, schedule_of

__all__ = ["CronSchedule", "IntervalSchedule", "OnceSchedule", "Schedule", "schedule_of"]
