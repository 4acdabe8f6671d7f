"""A node's own log: what modules of handlers do to logging does not silence it."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

SETTING_UP = {
    "dictConfig": 'logging.config.dictConfig({"version": 1})',
    "dictConfig of jobsched": 'logging.config.dictConfig({"version": 1, "loggers": {"jobsched": {"propagate": True}}})',
    "basicConfig": "logging.basicConfig(force=True, level=logging.INFO)",
    "disabled, level, filter, handlers": (
        "logging.disable(logging.INFO); ours = logging.getLogger('jobsched'); ours.setLevel(60);"
        " ours.addFilter(lambda _: False); ours.handlers.clear()"
    ),
}


@pytest.mark.parametrize("set_up", SETTING_UP.values(), ids=SETTING_UP)
def test_a_module_that_sets_logging_up_does_not_silence_the_node(place: "Workplace", set_up: str) -> None:
    place.module(
        "work",
        f"""
        import logging.config
        {set_up}

        def talk():
            {set_up}
            logging.getLogger("mine").warning("of the run")
        """,
    )
    place.write("jobs: {it: {handler: 'work:talk', every: 1000d}}")
    node = place.start_node("--log-format", "json")

    place.jobsched("trigger", "it", "--wait")
    node.wait_for_log('"run_succeeded"')
    node.terminate()

    events = [json.loads(line)["event"] for line in node.log.splitlines() if line.startswith("{")]
    assert (events.count("run_succeeded"), events[-1]) == (1, "node_stopped")
    assert "of the run" in place.jobsched("logs", "1").stdout
