"""What a node says of itself into a file, and what a probe makes of it."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import pytest

from jobsched.cli.health_command import lack
from jobsched.cli.health_file import HealthFile
from jobsched.testing.clock import FakeClock

if TYPE_CHECKING:
    from jobsched.runner.runner import Runner


@dataclass
class ANode:
    turning: bool = True
    fit: bool = True
    heartbeat: Any = field(init=False)

    def __post_init__(self) -> None:
        self.heartbeat = self


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "health"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock, path: Path) -> HealthFile:
    return HealthFile(clock, path)


def works(health: HealthFile, **facts: Any) -> None:
    health.ready(cast("Runner", ANode(**facts)))
    health.step()


def seen(path: Path, clock: FakeClock) -> tuple[bool, bool]:
    """Whether it is alive, and ready."""
    return lack(path, clock, ready=False) is None, lack(path, clock, ready=True) is None


def test_a_node_that_starts_or_waits_for_its_database_is_alive_and_not_ready(
    health: HealthFile, path: Path, clock: FakeClock
) -> None:
    health.step()

    assert seen(path, clock) == (True, False)
    assert "has not reached its database" in str(lack(path, clock, ready=True))


def test_a_node_that_works_is_ready(health: HealthFile, path: Path, clock: FakeClock) -> None:
    works(health)

    assert seen(path, clock) == (True, True)


def test_one_that_cannot_renew_its_lease_is_alive_and_not_ready(
    health: HealthFile, path: Path, clock: FakeClock
) -> None:
    works(health, fit=False)

    assert seen(path, clock) == (True, False)


def test_one_whose_loops_hang_is_found_dead_after_a_minute(health: HealthFile, path: Path, clock: FakeClock) -> None:
    works(health)
    works(health, turning=False)

    clock.advance(timedelta(seconds=59))
    before = seen(path, clock)
    health.step()
    clock.advance(timedelta(seconds=14))

    assert before == (True, True)
    assert lack(path, clock, ready=False) == "the node's loops have not turned for 1m13s"


def test_one_that_waits_for_its_handlers_to_end_is_alive_and_not_ready(
    health: HealthFile, path: Path, clock: FakeClock
) -> None:
    works(health)

    health.ending()
    health.step()

    assert seen(path, clock) == (True, False)


def test_one_that_has_ended_leaves_nothing(health: HealthFile, path: Path, clock: FakeClock) -> None:
    works(health)

    health.remove()

    assert list(path.parent.iterdir()) == []
    assert "or it has ended" in str(lack(path, clock, ready=False))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"turned": null}', '{"turned": 1e999}', "\0"])
def test_a_file_of_somebody_else_vouches_for_nothing(path: Path, clock: FakeClock, text: str) -> None:
    path.write_text(text)

    assert "was not written by" in str(lack(path, clock, ready=False))


def test_a_file_from_before_the_machine_was_started_vouches_for_nothing(path: Path, clock: FakeClock) -> None:
    path.write_text(json.dumps({"turned": clock.monotonic() + 1, "ready": True}))

    assert "before this machine was started" in str(lack(path, clock, ready=False))


def test_a_place_that_cannot_be_written_is_told_before_the_node_starts(clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="gone/health cannot be written: No such file or directory"):
        HealthFile(clock, tmp_path / "gone" / "health").begin()


def test_without_a_file_nothing_is_written(clock: FakeClock, tmp_path: Path) -> None:
    health = HealthFile(clock, None)

    health.begin()
    health.ready(cast("Runner", ANode()))
    health.ending()
    health.remove()

    assert (health.alive, list(tmp_path.iterdir())) == (False, [])
