"""The next slot of an expression, beside croniter on naive time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks.bench import Bench
from benchmarks.measure import cpu_of, seconds
from benchmarks.table import at_most

from jobsched.schedule.cron import CronSchedule

EXPRESSIONS = ("* * * * * *", "* * * * *", "30 2 * * *", "30 2 * * mon-fri", "0 0 1,15 * fri", "0 9 * * mon#1")


def measure(bench: Bench) -> None:
    """Slot after slot, none of them asked for before; and the longest that any one call takes, from far and near."""
    for expression in EXPRESSIONS:
        ours = theirs = float("inf")
        for year in range(1980, 2080, 20):  # so far apart that no answer is remembered
            schedule, instant = CronSchedule(expression, "Europe/Rome"), datetime(year, 5, 1, tzinfo=UTC)
            ours = min(ours, cpu_of(repeat_next(schedule, instant)))
            theirs = min(theirs, cpu_of(repeat_croniter(expression, instant.replace(tzinfo=None))))
        bench.table.add(
            f"next slots of {expression!r}", f"{ours / theirs:.2f} x croniter", bar=at_most(ours / theirs, 1.1, "x")
        )
    rarest = CronSchedule("0 0 * 2 mon#5", "Europe/Rome")
    rarest.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    longest = max(
        seconds(partial(rarest.next_after, datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=700 * number)))
        for number in range(60)
    )
    bench.table.add(
        "the longest call, of five Mondays in a February",
        f"{longest * 1000:.1f} ms",
        bar=at_most(longest * 1000, 50, "ms"),
    )


def repeat_next(schedule: CronSchedule, instant: datetime) -> Callable[[], None]:
    def walk() -> None:
        slot: datetime | None = instant
        for _ in range(200):
            slot = schedule.next_after(slot or instant)

    return walk


def repeat_croniter(expression: str, wall: datetime) -> Callable[[], None]:
    from croniter import croniter

    slots = croniter(expression, wall)

    def walk() -> None:
        for _ in range(200):
            slots.get_next(datetime)

    return walk
