"""How instants and durations are written for people."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model.wording import moment, rough, short_time

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def rome(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's zone, for as long as the test lasts."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Rome")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("away", "full", "short"),
    [
        (timedelta(hours=5), "2026-11-22 14:00:00+01:00 (in 5h)", "11-22 14:00:00"),
        (timedelta(seconds=-70), "2026-11-22 08:58:50+01:00 (1m10s ago)", "11-22 08:58:50"),
        (timedelta(days=60), "2027-01-21 09:00:00+01:00 (in 60d)", "2027-01-21 09:00:00"),
        (timedelta(0), "2026-11-22 09:00:00+01:00 (in 0ms)", "11-22 09:00:00"),
    ],
)
def test_an_instant_says_how_far_away_it_is(away: timedelta, full: str, short: str) -> None:
    assert (moment(NOW + away, NOW), short_time(NOW + away, NOW)) == (full, short)


def test_what_never_was_is_a_dash() -> None:
    assert moment(None, NOW) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.08, "80ms"), (12, "12s"), (310, "5m10s"), (300, "5m"), (187_200, "2d4h"), (172_860, "2d")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert rough(timedelta(seconds=seconds)) == text
