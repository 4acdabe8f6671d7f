"""What people do to runs from the command line, beside a node at work."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from jobsched.cli.main import cli
from jobsched.model.run import Covers, Reason, RunState
from jobsched.testing.builders import a_firing, a_skipped_slot

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

FAILED, SUCCEEDED = RunState.FAILED, RunState.SUCCEEDED


def test_failed_runs_of_a_job_are_run_again_when_their_cause_is_mended(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          needy: {command: ["cat", "needed"]}
    """)
    workplace.start_node()
    for _ in range(2):
        workplace.jobsched("trigger", "needy", "--wait", code=1)
    (workplace.folder / "needed").write_text("here")

    done = workplace.jobsched("requeue", "--job", "needy", "--since", "1h")

    assert done.stdout == "run 1 is pending\nrun 2 is blocked\n"
    runs = workplace.wait_for_run("needy", SUCCEEDED, count=2)
    assert [(run.id, run.attempt, len(run.error)) for run in runs] == [(1, 2, 1), (2, 2, 1)]


def test_requeue_says_of_each_run_what_became_of_it(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          fine: {command: ["true"]}
          bad: {command: ["false"], concurrency: allow}
    """)
    workplace.start_node()
    workplace.jobsched("trigger", "fine", "--wait")
    workplace.jobsched("trigger", "bad", "--wait", code=1)

    done = workplace.jobsched("requeue", "1", "2", "99", "-o", "json", code=1)

    assert '"id": 2,\n    "state": "pending",\n    "refused": null' in done.stdout
    assert "run 1 cannot be requeued: it succeeded" in done.stderr
    assert "run 99 cannot be requeued: there is none of this number" in done.stderr


def test_requeue_wants_runs_or_a_job_that_exists(place: "Workplace") -> None:
    place.write("""
        version: 1
        jobs:
          one: {command: ["true"]}
    """)
    place.jobsched("sync")

    assert "give the numbers of runs, or --job" in place.jobsched("requeue", code=2).stderr
    assert "--since and --state go with --job" in place.jobsched("requeue", "1", "--since", "1h", code=2).stderr
    assert "did you mean 'one'" in place.jobsched("requeue", "--job", "onne", code=1).stderr
    assert place.jobsched("requeue", "--job", "one").stdout == "one has no run that is failed\n"
    assert place.as_json("requeue", "--job", "one") == []


def test_requeue_of_a_row_that_stands_for_several_slots_names_the_backfill_that_runs_them(
    workplace: "Workplace",
) -> None:
    workplace.write("""
        version: 1
        jobs:
          fast: {command: ["true"], cron: "0 * * * *", timezone: Europe/Rome}
    """)
    workplace.jobsched("sync")
    covers = Covers(datetime(2026, 1, 5, 6, tzinfo=UTC), datetime(2026, 1, 5, 9, tzinfo=UTC), 4)
    stored = workplace.client.job("fast")
    row = a_skipped_slot(stored.job, covers.last, Reason.PAUSED, covers=covers)
    workplace.client.store.fire([a_firing(stored, row)])

    all_of_it = workplace.jobsched("requeue", "--job", "fast", "--state", "skipped", code=1)
    one = workplace.jobsched("requeue", "1", code=1)
    workplace.jobsched(*one.stderr.splitlines()[0].partition("; to run them: jobsched ")[2].split(), "--yes")

    told = (
        "row 1 stands for 4 slots (2026-01-05 07:00:00+01:00 to 2026-01-05 10:00:00+01:00); to run them: "
        "jobsched backfill fast --from 2026-01-05T06:00:00Z --to 2026-01-05T09:00:00Z\n"
    )
    refused = "error: run 1 cannot be requeued: it stands for several slots; jobsched backfill runs those\n"
    assert (all_of_it.stdout, all_of_it.stderr) == ("", told)
    assert (one.stdout, one.stderr) == ("", told + refused)
    assert [run.scheduled_at for run in workplace.runs("fast")] == [
        covers.first + timedelta(hours=hour) for hour in range(4)
    ]


def test_runs_of_a_job_are_cancelled_by_their_state_and_deleted_only_by_a_named_one(place: "Workplace") -> None:
    place.write("""
        version: 1
        jobs:
          one: {command: ["true"]}
    """)
    place.jobsched("sync")
    for _ in range(2):
        place.jobsched("trigger", "one")

    blocked = place.jobsched("cancel", "--job", "one", "--state", "blocked")
    rest = place.as_json("cancel", "--job", "one")

    assert blocked.stdout == "run 2 is cancelled\n"
    assert [answer["id"] for answer in rest] == [1]
    assert "give the numbers of runs, or --job" in place.jobsched("cancel", code=2).stderr
    assert "with --state" in place.jobsched("delete", "--job", "one", code=2).stderr
    assert "did you mean 'one'" in place.jobsched("cancel", "--job", "onne", code=1).stderr


def test_a_running_command_is_cancelled_before_the_slow_poll_would_see_it(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        settings: {poll: 5m}
        jobs:
          long: {command: ["sleep", "600"], retries: 3}
    """)
    workplace.start_node(JOBSCHED_HEARTBEAT="5m", JOBSCHED_LEASE="15m")
    workplace.jobsched("trigger", "long")
    workplace.wait_for_run("long", RunState.RUNNING)

    done = workplace.jobsched("cancel", "1", "--wait")

    assert done.stdout == "asked to stop: run 1\nrun 1 is cancelled\n"


def test_cancel_says_of_each_run_what_became_of_it(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          one: {command: ["true"]}
    """)
    workplace.jobsched("sync")
    workplace.jobsched("trigger", "one")

    done = workplace.jobsched("cancel", "1", "99", "-o", "json", code=1)
    again = workplace.jobsched("cancel", "1", code=1)

    assert '"id": 1,\n    "state": "cancelled",\n    "refused": null' in done.stdout
    assert "run 99 cannot be cancelled: there is none of this number" in done.stderr
    assert "run 1 cannot be cancelled: it is over: cancelled" in again.stderr


def test_a_run_that_is_over_can_be_deleted_and_a_waiting_one_not(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          one: {command: ["true"]}
    """)
    workplace.jobsched("sync")
    workplace.jobsched("trigger", "one")

    waiting = workplace.jobsched("delete", "1", code=1)
    workplace.jobsched("cancel", "1")
    done = workplace.jobsched("delete", "1")

    assert "run 1 cannot be deleted: it is pending, not over" in waiting.stderr
    assert done.stdout == "run 1 is deleted\n"
    assert workplace.as_json("runs") == []


def test_a_run_is_enqueued_from_the_command_line_and_performed(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        settings: {imports: [mail]}
        jobs: {}
    """)
    workplace.module(
        "mail",
        """
        from jobsched import handler

        @handler("mail.send")
        def send(to: str) -> str:
            return f"sent to {to}"
        """,
    )
    workplace.jobsched("sync")

    made = workplace.jobsched("enqueue", "mail.send", "--payload", '{"to": "ana"}', "--unique", "k", "--queue", "mail")
    again = workplace.jobsched("enqueue", "mail.send", "--unique", "k")
    later = workplace.jobsched("enqueue", "mail.send", "--in", "2h", "--payload", '{"to": "bob"}')
    workplace.jobsched("run", "--until-idle")

    assert made.stdout == "run 1 of mail.send is pending\n"
    assert again.stdout == "run 1 has this unique key already: it is pending; none was made\n"
    assert later.stdout == "run 2 of mail.send is scheduled\n"
    [run] = workplace.client.runs(queue="mail")
    assert (run.state, run.result) == (SUCCEEDED, "sent to ana")
    assert "mail.send" in workplace.jobsched("runs", "--queue", "mail", "--handler", "mail.send").stdout


def test_a_batch_and_its_tags_are_asked_for_on_the_command_line(sqlite_url: str) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--database", sqlite_url])
        assert done.exit_code == 0, done.output
        return done.stdout

    enqueue = ("enqueue", "mail.send", "--tag", "eu", "--tag", "shop", "--batch", "import-42", "--timeout", "90s")
    said(*enqueue, "--unique", "k", "--unique-for", "1h")
    said("enqueue", "mail.send")
    said("cancel", "1")

    [run] = json.loads(said("runs", "--tag", "shop", "--batch", "import-42", "-o", "json"))
    assert (run["id"], run["tags"], run["batch"], run["timeout"]) == (1, ["eu", "shop"], "import-42", "1m30s")
    assert json.loads(said("runs", "--tag", "none", "-o", "json")) == []
    assert f"run 1 has this unique key until {run['unique_until'][:2]}" in said("enqueue", "mail.send", "--unique", "k")
    assert "batch import-42 is done" in said("stats", "--batch", "import-42")
    assert "no runs of batch nope: never made, or pruned" in said("stats", "--batch", "nope")
    counted = json.loads(said("stats", "--batch", "import-42", "-o", "json"))
    assert (counted["total"], counted["done"], counted["states"]["cancelled"]) == (1, True, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--payload", "{"], 2, "Invalid value for --payload: this is no JSON"),
        (["--at", "tomorrow"], 2, "'tomorrow' is no RFC 3339 instant"),
        (["--in", "soon"], 2, "'soon' is no duration"),
        (["--in", "1h", "--at", "2030-01-01T00:00:00Z"], 2, "give --at or --in, not both"),
        (["--queue", "a b"], 1, "is no name of a queue"),
        (["--unique-for", "1h"], 1, "needs a unique_key"),
        (["--timeout", "0"], 1, "must be more than 0"),
        (["--tag", "x" * 65], 1, "is no tag"),
    ],
)
def test_what_cannot_be_enqueued_is_refused_in_words(
    sqlite_url: str, arguments: list[str], code: int, words: str
) -> None:
    done = CliRunner().invoke(cli, ["enqueue", "mail.send", "--database", sqlite_url, *arguments])

    assert done.exit_code == code
    assert words in done.stderr
