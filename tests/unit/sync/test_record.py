"""What a generation keeps for people: each job before and after, and where the files declare it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jobsched.model.desired import DesiredState
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Job
from jobsched.model.state import ActualState, StoredJob
from jobsched.sync.plan import plan
from jobsched.sync.record import changes_of, positions_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_job(name: str, **fields: Any) -> Job:
    return replace(Job(namespace="default", name=name, handler=CommandHandler(("true",))), **fields)


def stored(job: Job) -> StoredJob:
    return StoredJob(job=job, revision=1, schedule_revision=1, cursor=NOW, next_at=None, generation=1)


def recorded(desired: list[Job], actual: list[Job]) -> dict[str, Any]:
    wanted = DesiredState(namespace="default", jobs={job.name: job for job in desired}, content_hash="h")
    found = ActualState(namespace="default", jobs={job.name: stored(job) for job in actual}, generation=None)
    return changes_of(plan(wanted, found, NOW))


def test_each_change_is_kept_with_what_was_and_what_is() -> None:
    made, old, new, gone = a_job("made"), a_job("edited"), a_job("edited", queue="mail"), a_job("gone", owner="ann")

    changes = recorded([made, new, a_job("same")], [old, gone, a_job("same")])

    command = {"field": "command", "old": None, "new": ["true"]}
    assert changes == {
        "jobs": {
            "edited": {"action": "update", "fields": [{"field": "queue", "old": "default", "new": "mail"}]},
            "gone": {
                "action": "remove",
                "fields": [
                    {"field": "command", "old": ["true"], "new": None},
                    {"field": "owner", "old": "ann", "new": None},
                ],
            },
            "made": {"action": "create", "fields": [command]},
        },
        "left_out": 0,
    }


def test_a_secret_that_a_file_held_by_mistake_is_not_kept() -> None:
    wrong, right = a_job("a", env={"DB_PASSWORD": "hunter2"}), a_job("a", env={"DB_PASSWORD": "${DB_PASSWORD}"})

    kept = [recorded([wrong], []), recorded([right], [wrong]), recorded([], [wrong])]

    assert "hunter2" not in str(kept)
    assert "${DB_PASSWORD}" in str(kept[1])


def test_what_is_too_much_is_counted() -> None:
    many = recorded([a_job(f"job-{number:04}") for number in range(600)], [])
    large = recorded([a_job("small"), a_job("large", payload={"text": "x" * 300_000})], [])

    assert (len(many["jobs"]), many["left_out"]) == (500, 100)
    assert (list(large["jobs"]), large["left_out"]) == (["small"], 1)


def test_positions_name_each_file_once_and_are_kept_only_of_files() -> None:
    positions = {"a": ("two.yaml", 3, 5), "b": ("one.yaml", 7, 5), "c": ("two.yaml", 9, 5)}
    state = DesiredState(namespace="default", jobs={}, content_hash="h", positions=positions)

    assert positions_of(state) == {
        "files": ["one.yaml", "two.yaml"],
        "jobs": {"a": [1, 3], "b": [0, 7], "c": [1, 9]},
    }
    assert positions_of(replace(state, positions={})) is None
