"""The payload of the run that a failure makes."""

import json
from datetime import UTC, datetime
from typing import Any

from jobsched.model.failure import failure_payload
from jobsched.model.payload import LARGEST_PAYLOAD, check_payload_size
from jobsched.model.report import RUN_FIELDS, run_as_json
from jobsched.model.run import Reason, Run, RunState, Source

AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_failed_run(**fields: Any) -> Run:
    values: dict[str, Any] = dict.fromkeys(RUN_FIELDS)
    values |= {"id": 7, "namespace": "default", "job": "nightly", "handler": "a:b", "source": Source.SLOT}
    values |= {"state": RunState.FAILED, "reason": Reason.ERROR, "available_at": AT, "created_at": AT}
    return Run(**values | {"payload": {}, "error": (), "tags": ()} | fields)


def test_the_payload_is_the_run_as_json() -> None:
    run = a_failed_run(payload={"a": 1}, error=({"message": "no"},))

    assert failure_payload(run) == run_as_json(run)


def test_the_fields_that_are_promised_are_those_of_the_json() -> None:
    assert tuple(run_as_json(a_failed_run())) == RUN_FIELDS


def test_of_many_long_errors_the_newest_is_kept() -> None:
    errors = tuple({"attempt": number, "traceback": "x" * 30_000} for number in range(1, 101))

    payload = failure_payload(a_failed_run(payload={"a": 1}, error=errors))

    assert payload["error"] == [errors[-1]]
    assert payload["payload"] == {"a": 1}
    assert payload["cut"] == ["error"]


def test_a_payload_that_leaves_no_room_is_left_out() -> None:
    payload = failure_payload(
        a_failed_run(payload={"a": "ä" * (LARGEST_PAYLOAD // 2 - 10)}, error=({"message": "no"},))
    )

    assert (payload["payload"], payload["error"]) == ({}, [{"message": "no"}])
    assert payload["cut"] == ["error", "payload"]
    check_payload_size(payload)


def test_it_is_never_larger_than_a_payload_may_be() -> None:
    run = a_failed_run(payload={"a": "x" * LARGEST_PAYLOAD}, error=({"message": "no", "traceback": "x" * 30_000},) * 50)

    check_payload_size(json.loads(json.dumps(failure_payload(run))))
