"""What a person means by an instant, also where clocks change."""

import pytest

from jobsched.cli.instants import instant_in, instants_in

ROME = "Europe/Rome"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2025-01-01", ["2024-12-31T23:00:00+00:00"]),
        ("2025-01-01T02:30:00Z", ["2025-01-01T02:30:00+00:00"]),
        ("2025-03-30T01:59:59", ["2025-03-30T00:59:59+00:00"]),
        ("2025-03-30T02:00", ["2025-03-30T01:00:00+00:00"]),
        ("2025-03-30T02:30:00.5", ["2025-03-30T01:00:00+00:00"]),
        ("2025-03-30T03:00", ["2025-03-30T01:00:00+00:00"]),
        ("2025-10-26T02:30", ["2025-10-26T00:30:00+00:00", "2025-10-26T01:30:00+00:00"]),
        ("2025-10-26T02:30+01:00", ["2025-10-26T01:30:00+00:00"]),
        ("2025-10-26T03:00", ["2025-10-26T02:00:00+00:00"]),
    ],
)
def test_an_instant_is_read_in_the_zone_of_the_job(text: str, meant: list[str]) -> None:
    found = instants_in(ROME, text, "--at")

    assert [instant.isoformat() for instant in found] == meant
    assert instant_in(ROME, text, "--from") == found[0]
    assert instant_in(ROME, text, "--to", later=True) == found[-1]


def test_of_a_time_that_clocks_leave_out_it_is_said_how_it_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    instant_in(ROME, "2025-03-30 02:30", "--from")

    assert capsys.readouterr().err == (
        "2025-03-30 02:30:00 does not exist in Europe/Rome, where clocks go forward; read as 2025-03-30 03:00:00+02:00\n"
    )
