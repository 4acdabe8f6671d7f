"""Alerts from jobs.yaml to a receiver, and what the command line says of them."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

ALERTING = """
    version: 1
    notifiers:
      ops: {shell: "cat >> alerts.jsonl; echo >> alerts.jsonl"}
      broken: {shell: "echo no such room >&2; exit 3"}
    defaults: {alerts: {notify: ops}}
    jobs:
      bill: {shell: exit 1}
      other: {shell: "true", alerts: {notify: broken}}
"""


def test_people_are_told_of_a_failure_and_can_test_who_is_told(workplace: "Workplace") -> None:
    workplace.write(ALERTING)
    workplace.start_node()

    tested = workplace.jobsched("alert", "test", "ops")
    broken = workplace.jobsched("alert", "test", "broken", code=1)
    unknown = workplace.jobsched("alert", "test", "opps", code=None)
    workplace.jobsched("trigger", "bill", "--wait", code=1)
    listed = workplace.as_json("alert", "list")
    status = workplace.jobsched("status").stdout

    assert tested.stdout.startswith("sent to ops by run ")
    assert "error: not sent to broken: run " in broken.stderr
    assert "no job of namespace 'default' alerts a notifier 'opps'; those in use are broken, ops" in unknown.stderr
    assert [(one["job"], one["kind"]) for one in listed] == [("bill", "final_failure")]
    assert "1 alert is open; see: jobsched alert list" in status
    assert "1 alert of the last day could not be sent" in status
    told = workplace.folder / "alerts.jsonl"
    workplace.eventually(lambda: "jobsched: bill failed for good" in told.read_text(), "the alert")
    first, *_ = map(json.loads, told.read_text().splitlines())
    assert (first["alert"], first["notifier"]) == ("test", "ops")
