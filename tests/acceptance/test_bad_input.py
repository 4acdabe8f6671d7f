"""Bad input: a clear error with what to do next, the exit code of the contract, nothing lost, no traceback."""

import json
import os
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

VALID = """
    version: 1
    jobs:
      one: {command: ["true"]}
"""

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "comments only": (b"# nothing\n", "is empty"),
    "truncated": (b"version: 1\njobs:\n  one: {command: [tr", "jobs.yaml:"),
    "a list": (b"- 1\n", "expected a mapping"),
    "deep": (b"[" * 60_000, "deep"),
    "aliases": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("k"))
        ),
        "alias",
    ),
    "duplicate job": (b"version: 1\njobs:\n  one: {command: [x]}\n  one: {command: [y]}\n", "jobs.yaml:4:3"),
    "unknown zone": (
        b"version: 1\njobs:\n  one: {command: [x], cron: '0 0 * * *', timezone: Europe/Rom}\n",
        "Europe/Rome",
    ),
    "never": (b"version: 1\njobs:\n  one: {command: [x], cron: '0 0 30 2 *'}\n", "jobs.one.cron"),
    "unquoted": (b"version: 1\njobs:\n  one: {command: [x], cron: */5 * * * *}\n", "quote it"),
    "large payload": (
        b"version: 1\njobs:\n  one: {command: [x], payload: {a: ["
        + b", ".join([b"'" + b"x" * 900_000 + b"'"] * 3)
        + b"]}}\n",
        "1 MiB",
    ),
    "not UTF-8": (b"version: 1\njobs: {\xff\xfe}\n", "jobs.yaml:"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_by_validate_and_run_and_creates_nothing(place: "Workplace", name: str) -> None:
    content, words = FILES[name]
    place.file.write_bytes(content)

    validated = place.jobsched("validate", code=1)
    ran = place.jobsched("run", code=1)

    assert words in validated.stdout
    assert words in ran.stderr
    assert not (place.folder / "jobsched.db").exists()


def test_a_missing_file_is_said_to_be_missing(place: "Workplace") -> None:
    done = place.jobsched("validate", code=1)

    assert "jobs.yaml" in done.stdout
    assert "no such file" in done.stdout.lower()


def test_a_folder_without_yaml_files_is_said_to_have_none(place: "Workplace") -> None:
    (place.folder / "empty").mkdir()

    done = place.jobsched("validate", "empty", code=1)

    assert "empty" in done.stdout


def test_an_empty_file_never_removes_jobs(workplace: "Workplace") -> None:
    workplace.write(VALID)
    workplace.jobsched("sync")
    workplace.write("version: 1\njobs: {}\n")

    done = workplace.jobsched("sync", code=1)

    assert "--allow-delete" in done.stderr
    assert [job["name"] for job in workplace.as_json("list")] == ["one"]
    workplace.jobsched("sync", "--allow-delete")
    assert workplace.as_json("list") == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://x/y", "no store for 'mysql'; installed: postgresql, sqlite"),
        ("jobs.db", "URL like sqlite:///"),
        ("postgresql://nobody@127.0.0.1:1/none", "127.0.0.1:1"),
        ("sqlite:////no/such/folder/jobs.db", "/no/such/folder"),
        ("postgresql+asyncpg://x/y", "asyncpg"),
    ],
)
def test_a_bad_database_is_named_with_its_cause(place: "Workplace", url: str, words: str) -> None:
    place.write(VALID)

    for command in ("sync", "run", "list"):
        assert words in place.jobsched(command, "--database", url, code=1).stderr


def test_a_wrong_password_or_database_ends_at_once_and_the_password_is_never_printed(
    postgres_url: str, place: "Workplace"
) -> None:
    place.write(VALID)
    parts = urlsplit(postgres_url)
    url = urlunsplit(
        parts._replace(netloc=f"postgres:hunter2secret@{parts.netloc.rpartition('@')[2]}", path="/nowhere")
    )

    done = place.jobsched("run", "--database", url, code=1)

    assert "nowhere" in done.stderr
    assert "hunter2secret" not in done.stderr + done.stdout


def test_a_file_that_is_no_database_is_not_touched(place: "Workplace") -> None:
    place.write(VALID)
    file = place.folder / "jobsched.db"
    file.write_bytes(b"this is my diary, not a database. " * 100)

    done = place.jobsched("run", code=1)

    assert str(file) in done.stderr
    assert file.read_bytes() == b"this is my diary, not a database. " * 100


def test_a_newer_schema_is_refused(place: "Workplace") -> None:
    place.write(VALID)
    place.jobsched("sync")
    with sqlite3.connect(place.folder / "jobsched.db") as connection:
        connection.execute("update jobsched_schema_version set version_num = '9999'")
    connection.close()

    for command in ("sync", "run", "list"):
        assert "newer" in place.jobsched(command, code=1).stderr


def test_commands_that_only_read_create_no_database(place: "Workplace") -> None:
    place.write(VALID)

    place.jobsched("plan")
    for command in (["list"], ["runs"], ["status"], ["show", "one"], ["trigger", "one"]):
        assert "jobsched sync" in place.jobsched(*command, code=1).stderr

    assert not (place.folder / "jobsched.db").exists()


def test_in_a_folder_of_nothing_a_command_says_that_the_folder_may_be_the_wrong_one(place: "Workplace") -> None:
    asked = (["list"], ["why", "one"], ["next", "one"], ["doctor"], ["db", "check"], ["serve"])
    said = [place.jobsched(*command, code=1, JOBSCHED_DATABASE_URL="") for command in asked]

    texts = [" ".join((done.stdout + done.stderr).split()) for done in said]
    assert all("neither jobs.yaml nor jobsched.db in this folder" in text for text in texts)
    assert all("begin with: jobsched init" in text and "jobsched sync" not in text for text in texts)
    assert not list(place.folder.glob("*.db"))


def test_the_database_is_looked_into_while_the_defaults_are_wrong(place: "Workplace") -> None:
    place.write(VALID)
    place.jobsched("sync", JOBSCHED_DATABASE_URL="")
    place.write(VALID + "    defaults: {timezone: Europe/Rom}\n")

    assert "one" in place.jobsched("list", JOBSCHED_DATABASE_URL="").stdout


def test_a_file_that_does_not_say_which_database_it_is_gets_the_way_to_ask_all_the_same(place: "Workplace") -> None:
    place.write(VALID + "    setings: {}\n")

    said = place.jobsched("status", code=1, JOBSCHED_DATABASE_URL="").stderr

    assert "jobs.yaml:" in said
    assert "until jobs.yaml is mended" in said
    assert "--database URL" in said


def test_warnings_are_never_called_valid_with_strict(place: "Workplace") -> None:
    place.write("""
        version: 1
        jobs:
          gone: {command: ["true"], at: "2001-01-01T00:00:00Z"}
    """)

    lenient, strict = place.jobsched("validate"), place.jobsched("validate", "--strict", code=1)

    assert lenient.stdout.endswith("1 job, valid, 1 warning\n")
    assert strict.stdout.endswith("1 warning: not valid, since --strict makes errors of warnings\n")


def test_validate_knows_the_option_for_json_that_the_others_have(place: "Workplace") -> None:
    place.write(VALID)

    assert place.jobsched("validate", "-o", "json").stdout == place.jobsched("validate", "--format", "json").stdout


def test_handlers_that_cannot_work_are_found_by_validate(place: "Workplace") -> None:
    place.module("work", "value = 3\ndef add(a, b): ...\n")
    place.write("""
        version: 1
        jobs:
          missing: {handler: "nowhere:run"}
          attribute: {handler: "work:ad"}
          not-callable: {handler: "work:value"}
          payload: {handler: "work:add", payload: {a: 1, other: 2}}
          typo: {handler: "work:add", payload: {a: 1, bb: 2}}
          nothing: {handler: "work:add"}
          fine: {handler: "work:add", payload: {a: 1, b: 2}}
    """)

    without = place.jobsched("validate")
    done = place.jobsched("validate", "--handlers", "--format", "json", code=1)

    entries = json.loads(done.stdout)
    found = {entry["path"]: entry["message"] for entry in entries}
    places = {entry["path"]: (entry["line"], entry["column"]) for entry in entries}
    assert "7 jobs, valid" in without.stdout
    assert set(found) == {
        "jobs.missing.handler",
        "jobs.attribute.handler",
        "jobs.not-callable.handler",
        "jobs.payload.payload",
        "jobs.payload.payload.other",
        "jobs.typo.payload.bb",
        "jobs.nothing",
    }
    assert "did you mean 'add'" in found["jobs.attribute.handler"]
    assert found["jobs.payload.payload"] == "'b' is missing, which work:add needs"
    assert found["jobs.typo.payload.bb"] == "work:add has no parameter 'bb'"
    assert [entry["hint"] for entry in entries if entry["path"].endswith(".bb")] == ["did you mean 'b'?"]
    assert (places["jobs.missing.handler"], places["jobs.payload.payload.other"]) == ((4, 22), (7, 50))
    assert (places["jobs.payload.payload"], places["jobs.nothing"]) == ((7, 34), (9, 3))


def test_modules_that_cannot_be_imported_are_found_where_they_are_named(place: "Workplace") -> None:
    place.write("""
        version: 1
        settings: {imports: [nowhere]}
        jobs: {}
    """)

    done = place.jobsched("validate", "--handlers", code=1)

    assert "jobs.yaml:3:21: error: settings.imports: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["validat"], 2, "Did you mean 'validate'"),
        (["statsu"], 2, "Did you mean 'stats' or 'status'"),
        (["runs", "--stat", "failed"], 2, "--state"),
        (["next", "one", "--cron", "* * * * *"], 2, "give a JOB or --cron EXPR, or neither"),
        (["next", "--cron", "61 * * * *"], 2, "--cron: minute"),
        (["next", "--cron", "* * * * *", "--timezone", "Mars/Base"], 2, "Mars/Base"),
        (["next", "one", "--timezone", "Europe/Rom"], 2, "Europe/Rome"),
        (["next", "--cron", "* * * * *", "--after", "yesterday"], 2, "RFC 3339"),
        (["run", "--threads", "0"], 2, "--threads"),
        (["trigger", "nothing"], 1, "no job 'nothing'"),
        (["trigger", "on", "--payload", "{}"], 1, "did you mean 'one'"),
        (["trigger", "one", "--payload", "[1]"], 2, "JSON object"),
        (["trigger", "one", "--payload", "{"], 2, "no JSON"),
        (["show", "oe"], 1, "did you mean 'one'"),
        (["logs", "77"], 1, "no run 77"),
        (["runs", "--job", "oen"], 1, "did you mean 'one'"),
        (["runs", "--since", "soon"], 2, "--since"),
    ],
)
def test_wrong_words_get_the_right_ones(place: "Workplace", arguments: list[str], code: int, words: str) -> None:
    place.write(VALID)
    place.jobsched("sync")

    done = place.jobsched(*arguments, code=code)

    assert words in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("JOBSCHED_THREADS", "many", "JOBSCHED_THREADS: 'many' is no number"),
        ("JOBSCHED_LEASE", "soon", "JOBSCHED_LEASE: 'soon' is no duration"),
        ("JOBSCHED_LEASE", "5s", "less than 3 heartbeats"),
        ("JOBSCHED_LOG_FORMAT", "xml", "JOBSCHED_LOG_FORMAT: 'xml' is none of auto, text, json"),
    ],
)
def test_a_variable_of_the_environment_that_cannot_be_read_is_named(
    place: "Workplace", variable: str, value: str, words: str
) -> None:
    place.write(VALID)

    assert words in place.jobsched("run", "--until-idle", code=2, **{variable: value}).stderr


def test_an_unknown_handler_is_said_by_the_node_and_its_run_fails_when_run_once(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          odd: {handler: "nowhere:run"}
    """)
    workplace.jobsched("sync")
    workplace.client.trigger("odd")

    done = workplace.jobsched("run", "--until-idle", code=1)

    [run] = workplace.runs("odd")
    assert run.state is RunState.FAILED
    assert "cannot import module 'nowhere'" in run.error[0]["message"]
    assert f"jobsched logs {run.id}" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_said_to_be_unreadable(place: "Workplace") -> None:
    place.write(VALID)
    place.file.chmod(0)

    assert "permission" in place.jobsched("validate", code=1).stdout.lower()


def test_validate_warns_of_a_decorator_that_says_otherwise_than_the_file(place: "Workplace") -> None:
    place.module(
        "work",
        """
        from jobsched import handler

        @handler("work.send", retries=5, timeout="30s", queue="mail")
        def send(): ...
    """,
    )
    place.write("""
        version: 1
        settings: {imports: [work]}
        jobs:
          same: {handler: work.send, retries: 9, queue: mail}
          other: {handler: work.send}
    """)

    done = place.jobsched("validate", "--handlers")

    assert (
        "warning: jobs.other.handler: @handler says another queue, which holds for enqueued runs; a job's is what its file says"
        in done.stdout
    )
    assert "2 jobs, valid, 1 warning" in done.stdout


def test_validate_checks_what_on_failure_names(place: "Workplace") -> None:
    place.module("work", "def good(*, job, **run): ...\ndef bad(job): ...\n")
    place.write("""
        version: 1
        jobs:
          a: {shell: "true", on_failure: {handler: "work:good"}}
          b: {shell: "true", on_failure: {handler: "work:bad"}}
          c: {shell: "true", on_failure: {handler: "work:none"}}
    """)

    done = place.jobsched("validate", "--handlers", code=1)

    assert "jobs.a" not in done.stdout
    assert "jobs.b.on_failure: the payload does not fit 'work:bad'" in done.stdout
    assert "jobs.c.on_failure: unknown handler 'work:none'" in done.stdout


@pytest.mark.parametrize("option", ["--in", "--timeout", "--unique-for"])
def test_a_wrong_duration_is_told_by_its_option(workplace: "Workplace", option: str) -> None:
    told = workplace.jobsched("enqueue", "mail.send", "--unique", "k", option, "5x", code=2).stderr

    assert f"Invalid value for {option}: '5x' is no duration" in told
