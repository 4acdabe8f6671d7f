"""What a shell completes where a queue is asked for."""

import click
import pytest

from jobsched.cli import names
from jobsched.cli.main import COMMANDS, cli
from jobsched.model.desired import DesiredState, Settings
from jobsched.testing.builders import a_job, queue_limits

STATE = DesiredState(
    namespace="default",
    jobs={"hello": a_job("hello"), "send": a_job("send", queue="mail")},
    settings=Settings(queues=queue_limits({"maps": 3}), queue_threads={"slow": 1}),
    content_hash="",
)


def completed(monkeypatch: pytest.MonkeyPatch, state: DesiredState | None, begun: str) -> dict[str, list[str]]:
    """Of each command that has a --queue, what comes of what was begun."""
    monkeypatch.setattr(names, "_state", lambda: state)
    found = {}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for option in command.params:
            if "--queue" in option.opts:
                found[name] = [item.value for item in option.shell_complete(click.Context(command), begun)]
    return found


def test_wherever_a_queue_is_asked_for_those_of_the_file_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = completed(monkeypatch, STATE, "")

    assert found.keys() == {"pause", "resume", "runs", "enqueue", "create", "update"}
    assert list(found.values()) == [["default", "mail", "maps", "slow"]] * len(found)


def test_what_was_begun_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, STATE, "ma")["pause"] == ["mail", "maps"]


def test_without_a_file_that_is_valid_nothing_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, None, "")["pause"] == []
