import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.errors import CronError
from jobsched.schedule.expression import LONGEST_EXPRESSION, is_plain, parse_expression, uses_hash


@pytest.mark.parametrize(
    ("alias", "expansion"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("  @Daily\n", "0 0 * * *"),
    ],
)
def test_an_alias_means_its_expansion(alias: str, expansion: str) -> None:
    assert parse_expression(alias).canonical == parse_expression(expansion).canonical


@pytest.mark.parametrize("alias", ["@daily", "@hourly", "@weekly"])
def test_an_alias_is_not_hashed_from_the_jobs_name(alias: str) -> None:
    assert parse_expression(alias, "nightly").canonical == parse_expression(alias).canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("*/15 9-17/4 * * *", "0,15,30,45 9,13,17 * * *"),
        ("  5\t4   *  * *\n", "5 4 * * *"),
        ("0-59 0-23 1-31 1-12 0-7", "* * * * *"),
        ("05 007 1 JAN Mon,7", "5 7 1 1 0,1"),
        ("0 22-1 30-2 nov-feb fri-sun", "0 0,1,22,23 1,2,30,31 1,2,11,12 0,5,6"),
        ("0 0 * * 1-7/2", "0 0 * * 0,1,3,5"),
        ("0 0 * * 7/3", "0 0 * * 0,3,6"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("59/15 * * * *", "59 * * * *"),
        ("0 0 15,L * *", "0 0 15,l * *"),
        ("0 0 15W * ?", "0 0 15w * *"),
        ("0 0 ? * MON#1,7#5", "0 0 * * 1#1,0#5"),
        ("0 0 * * L7", "0 0 * * l0"),
        ("0 0 1 1 * 30 2030-2032", "0 0 1 1 * 30 2030,2031,2032"),
        ("0 0 1 1 * 0 *", "0 0 1 1 * 0"),
    ],
)
def test_an_expression_is_rewritten_as_lists_of_numbers(text: str, canonical: str) -> None:
    assert parse_expression(text).canonical == canonical


@pytest.mark.parametrize("days", ["1-31 * mon", "*/1 * mon", "13 * 0-6", "L * 0-7"])
def test_a_restricted_day_field_that_holds_all_days_lets_every_day_match(days: str) -> None:
    assert parse_expression(f"0 0 {days}").canonical == "0 0 * * *"


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("30 2 * * *", True),
        ("0,30 1-3 * * *", True),
        ("0 0-23 * * *", True),
        ("0-59 2 * * *", True),
        ("* * * * *", False),
        ("*/10 2 * * *", False),
        ("30 */2 * * *", False),
        ("30 2 * * * *", True),
        ("@daily", True),
        ("@hourly", False),
    ],
)
def test_a_schedule_is_fixed_unless_its_minute_or_hour_starts_with_a_star(text: str, *, fixed: bool) -> None:
    assert parse_expression(text).fixed is fixed


# -- H


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("H H * * *", "42 18 * * *"),
        ("H/15 * * * *", "12,27,42,57 * * * *"),
        ("H H(0-5) * * *", "42 0 * * *"),
        ("H(10-19)/5 * * * *", "12,17 * * * *"),
        ("h h h h h h", "42 18 22 2 5 16"),
    ],
)
def test_h_is_the_same_for_a_name_in_every_release(text: str, canonical: str) -> None:
    assert parse_expression(text, "nightly").canonical == canonical


def test_h_spreads_jobs_over_the_field() -> None:
    found = {parse_expression("H * * * *", f"job-{number}").canonical for number in range(1000)}

    assert found == {f"{minute} * * * *" for minute in range(60)}


def test_h_as_a_day_of_month_is_a_day_that_every_month_has() -> None:
    days = {parse_expression("0 0 H * *", f"job-{number}").canonical.split()[2] for number in range(1000)}

    assert days == {str(day) for day in range(1, 29)}


@pytest.mark.parametrize("text", ["H(5-2) * * * *", "H(5) * * * *", "H(0-70) * * * *", "H/0 * * * *", "0-H * * * *"])
def test_h_with_senseless_bounds_is_refused(text: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_expression(text, "nightly")

    assert caught.value.field == "minute"


def test_h_as_a_year_is_refused() -> None:
    with pytest.raises(CronError, match="year: H"):
        parse_expression("0 0 1 1 * 0 H", "nightly")


@pytest.mark.parametrize("text", ["R * * * *", "R(1-5) * * * *", "R/5 * * * *"])
def test_r_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(CronError, match="use H"):
        parse_expression(text, "nightly")


@pytest.mark.parametrize(
    ("text", "uses"),
    [("H * * * *", True), ("0 H(1-5) * * *", True), ("h/5 * * * *", True), ("0 0 * * thu", False), ("@hourly", False)],
)
def test_only_an_h_of_its_own_makes_an_expression_depend_on_the_job(text: str, *, uses: bool) -> None:
    assert uses_hash(text) is uses


# -- refused


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("99999 * * * *", "minute", "above 59"),
        ("9" * 200 + " * * * *", "minute", "above 59"),
        ("0 0 * * mon-mon", "day-of-week", "one value"),
        ("0 0 * * fri-mon/2", "day-of-week", "write a list"),
        ("0 0 * * * 50-10", "second", "runs backwards"),
        ("0 0 1 1 * 0 2050-2040", "year", "runs backwards"),
        ("0 0 1 1 * 0 2100", "year", "above 2099"),
        ("0 0 15W * mon", "day-of-month", "needs a * as day-of-week"),
        ("0 0 15 * L5", "day-of-week", "needs a * as day-of-month"),
        ("0 0 W15 * *", "day-of-month", "15W"),
        ("0 0 * 2 mon#5 0 2027", "day-of-week", "never fires"),
        ("0 0 31 2,4 *", "day-of-month", "never fires"),
        ("0\u00a00 * * * *", "minute", "ASCII"),
    ],
)
def test_a_refusal_says_what_is_wrong_in_which_field(text: str, field: str, reason: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_expression(text)

    assert caught.value.field == field
    assert reason in caught.value.reason
    assert str(caught.value) == f"{field}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 0 12 ? * MON-FRI *", "write '0 12 ? * MON-FRI'"),
        ("0 30 9 * * mon", "hour: 30 is above 23; if the first field is meant as the second"),
        ("15 0 12 ? * tue 2030", "write '0 12 ? * tue 15 2030'"),
        ("0 15 10 ? * 6", "mind that Quartz's 1 is Sunday"),
        ("TZ=Europe/Rome 0 5 * * *", "an expression names no zone; write `timezone: Europe/Rome` beside it"),
        ("CRON_TZ=UTC 0 5 * * *", "write `timezone: UTC`"),
        ("0 5 * * * /usr/bin/backup --all > /dev/null 2>&1", "write `shell` for it, and here '0 5 * * *'"),
        ("0 5 * * * root", "in a crontab is the command"),
    ],
)
def test_an_expression_of_another_program_is_refused_with_ours(text: str, told: str) -> None:
    with pytest.raises(CronError, match=re.escape(told)):
        parse_expression(text)


@pytest.mark.parametrize("text", ["0 61 5 * * *", "0 25 * * *", "0 99 99 * * mon"])
def test_what_no_program_takes_gets_no_advice(text: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_expression(text)

    assert "Quartz" not in str(caught.value)


def test_an_expression_of_more_than_256_characters_is_refused() -> None:
    longest = "0," * 124 + "0 * * * *"
    assert len(longest) == LONGEST_EXPRESSION + 1

    with pytest.raises(CronError, match="256"):
        parse_expression(longest)

    assert parse_expression(longest[2:]).canonical == "0 * * * *"


@pytest.mark.parametrize(
    ("text", "hint"), [("@reboot", "when triggered"), ("@every 5m", "every:"), ("@fortnightly", "@weekly")]
)
def test_an_unknown_alias_is_refused_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(CronError, match=hint):
        parse_expression(text)


@pytest.mark.parametrize(
    "text", ["0 0 29 2 *", "0 0 * 2 mon#5", "0 0 31 2,3 *", "0 0 30 2 1", "0 0 30W 2 *", "0 0 L 2 *"]
)
def test_a_schedule_that_some_date_matches_is_not_refused(text: str) -> None:
    assert parse_expression(text).text == text


FIELD_TEXTS = st.sampled_from(
    [
        "*",
        "*/1",
        "*/7",
        "*/9999",
        "*/0",
        *[
            "0",
            "00",
            "1",
            "07",
            "7",
            "8",
            "12",
            "13",
            "23",
            "24",
            "28",
            "29",
            "31",
            "32",
            "59",
            "60",
            "1-5",
            "h",
            "mon",
        ],
    ]
)


@settings(max_examples=examples(300, 5000), deadline=None)
@given(st.lists(FIELD_TEXTS, min_size=4, max_size=6).map(" ".join))
@example("59 23 28 12 7")
@example("*/5 * * * *")
def test_what_is_plain_at_a_look_is_valid(text: str) -> None:
    if is_plain(text):
        assert parse_expression(text) == parse_expression(text, "nightly")


@pytest.mark.parametrize("text", ["0 3 * * *", "*/5 8 1 1 0", "05 03 28 02 7"])
def test_the_most_common_expressions_are_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text", ["60 * * * *", "0 24 * * *", "0 0 29 * *", "0 0 30 2 *", "*/0 * * * *", "H 3 * * *", "0 0 * * *\n"]
)
def test_what_may_be_wrong_or_never_come_is_not_plain(text: str) -> None:
    assert not is_plain(text)
