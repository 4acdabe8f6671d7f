"""The cases of tests/data/cron decide."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched.errors import CronError
from jobsched.schedule.cron import CronSchedule

CASES = Path(__file__).parents[2] / "data" / "cron"
FIELDS = {"minute", "hour", "day-of-month", "month", "day-of-week", "second", "year"}


def cases(name: str) -> list[Any]:
    lines = (CASES / f"{name}.jsonl").read_text().splitlines()
    return [pytest.param(case, id=case["id"]) for case in map(json.loads, lines)]


@pytest.mark.parametrize("case", [*cases("fires"), *cases("policy")])
def test_the_slots_are_those_of_the_case(case: dict[str, Any]) -> None:
    schedule = CronSchedule(case["expr"], case["tz"])
    expected = [datetime.fromisoformat(text) for text in case["expect"]]

    found, instant = [], datetime.fromisoformat(case["start"])
    for _ in expected:
        slot = schedule.next_after(instant)
        assert slot is not None
        found.append(slot)
        instant = slot

    assert found == expected


@pytest.mark.parametrize("case", [*cases("fires"), *cases("policy")])
def test_previous_walks_the_same_slots_backwards(case: dict[str, Any]) -> None:
    schedule = CronSchedule(case["expr"], case["tz"])
    expected = [datetime.fromisoformat(text) for text in case["expect"]]

    found, instant = [], expected[-1] + timedelta(seconds=1)
    for _ in expected:
        slot = schedule.previous(instant - timedelta(seconds=1))
        assert slot is not None
        found.append(slot)
        instant = slot

    assert found == expected[::-1]


@pytest.mark.parametrize("case", [*cases("fires"), *cases("policy")])
def test_count_agrees_with_the_slots_of_the_case(case: dict[str, Any]) -> None:
    schedule = CronSchedule(case["expr"], case["tz"])
    expected = [datetime.fromisoformat(text) for text in case["expect"]]

    count = schedule.count(expected[0], expected[-1], 1000)

    assert count == len(expected)


@pytest.mark.parametrize("case", cases("invalid"))
def test_an_invalid_expression_is_refused_with_field_and_reason(case: dict[str, Any]) -> None:
    with pytest.raises(CronError) as caught:
        CronSchedule(case["expr"], "UTC")

    whole = case["expr"].startswith("@") or case["reason"] in {"no fields", "four fields", "eight fields"}
    assert caught.value.field in ({None} if whole else FIELDS)
    assert caught.value.reason
    assert caught.value.expression == case["expr"]
