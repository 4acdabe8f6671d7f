from datetime import UTC, datetime, timedelta

import pytest

from jobsched.errors import ScheduleError
from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.zones import edge_around, zone_of


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the time zone is empty; write a name like Europe/Rome, or UTC"),
        ("Europe/Rom", "no time zone 'Europe/Rom'; did you mean 'Europe/Rome'?"),
        ("europe/rome", "no time zone 'europe/rome'; did you mean 'Europe/Rome'?"),
        ("Rome", "no time zone 'Rome'; did you mean 'Europe/Rome'?"),
        ("new york", "no time zone 'new york'; did you mean 'America/New_York'?"),
        (
            "CEST",
            "no time zone 'CEST'; abbreviations and offsets know no clock changes; write a place like Europe/Rome",
        ),
        ("UTC+2", "no time zone 'UTC+2'; abbreviations and offsets know no clock changes"),
        ("+02:00", "no time zone '+02:00'; abbreviations and offsets know no clock changes"),
        ("utc", "no time zone 'utc'; did you mean 'UTC'?"),
        ("../../etc/passwd", "no time zone '../../etc/passwd'; write a name like Europe/Rome, or UTC"),
        ("/etc/localtime", "no time zone '/etc/localtime'"),
        ("x" * 500, f"no time zone '{'x' * 64}…'"),
        ("Europe", "no time zone 'Europe'"),
        ("UTC\0", "no time zone"),
        ("\udc80", "no time zone"),
        ("Zürich", "no time zone"),
        ("localtime", "no time zone 'localtime'"),
        ("right/Europe/Rome", "no time zone 'right/Europe/Rome'; did you mean 'Europe/Rome'?"),
    ],
)
def test_what_is_no_zone_is_a_schedule_error_with_the_next_step(name: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        CronSchedule("0 0 * * *", name)

    assert str(caught.value).startswith(message)


def test_a_gap_is_found_to_the_second() -> None:
    edge = edge_around(datetime(2026, 3, 29, 2, 30), zone_of("Europe/Rome"))

    assert edge is not None
    assert edge.at == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert (edge.start, edge.end) == (datetime(2026, 3, 29, 2, 0), datetime(2026, 3, 29, 3, 0))
    assert edge.is_gap
    assert edge.size == timedelta(hours=1)


def test_an_overlap_is_found_to_the_second() -> None:
    edge = edge_around(datetime(2026, 4, 5, 1, 59, 59), zone_of("Australia/Lord_Howe"))

    assert edge is not None
    assert edge.at == datetime(2026, 4, 4, 15, 0, tzinfo=UTC)
    assert (edge.start, edge.end) == (datetime(2026, 4, 5, 1, 30), datetime(2026, 4, 5, 2, 0))
    assert not edge.is_gap


def test_an_ordinary_time_has_no_change_of_clocks_around_it() -> None:
    assert edge_around(datetime(2026, 3, 29, 3, 0), zone_of("Europe/Rome")) is None
