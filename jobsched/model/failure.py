"""What a failed run leads to: the run that `on_failure` asks for, with the failed one as its payload."""

import json
from typing import Any

from jobsched.model.handler import handler_text
from jobsched.model.job import OnFailure
from jobsched.model.payload import LARGEST_PAYLOAD
from jobsched.model.report import run_as_json
from jobsched.model.run import NewRun, Run, Source


def failure_run(failed: Run, on_failure: OnFailure) -> NewRun:
    """An ad-hoc run in the queue of the failed one, which nodes are known to serve. It has no `on_failure` itself."""
    return NewRun(
        namespace=failed.namespace,
        handler=handler_text(on_failure.handler),
        source=Source.ENQUEUE,
        queue=failed.queue,
        priority=failed.priority,
        payload=failure_payload(failed),
        max_attempts=1 + on_failure.retries,
        generation=failed.generation,
    )


def failure_payload(failed: Run) -> dict[str, Any]:
    """The failed run as JSON. What makes it larger than a payload may be is left out, and `cut` names it."""
    payload, cut = run_as_json(failed), []
    for field, shorter in (("error", _newest_error), ("payload", _nothing), ("error", _without_traceback)):
        if _size(payload) <= LARGEST_PAYLOAD:
            break
        payload[field] = shorter(payload[field])
        cut.append(field)
    return {**payload, "cut": list(dict.fromkeys(cut))} if cut else payload


def _size(payload: dict[str, Any]) -> int:
    return len(json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _newest_error(errors: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return errors and errors[-1:]


def _nothing(_payload: dict[str, Any]) -> dict[str, Any]:
    return {}


def _without_traceback(errors: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return errors and [{key: value for key, value in error.items() if key != "traceback"} for error in errors]
