"""`jobsched exec`: a job performed here and now, as a node would, without a store."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance


Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(place: "Workplace") -> Iterator[Start]:
    """Starts `jobsched exec it`."""
    with ExitStack() as cleanup:

        def started() -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-m", "jobsched", "exec", "it"],
                cwd=place.folder,
                env=place.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            return process

        yield started


def declare(place: "Workplace", job: str) -> None:
    place.write(f"version: 1\njobs:\n  it: {{{job}}}\n")


def test_a_function_gets_the_payload_and_its_result_is_shown(place: "Workplace") -> None:
    place.module("work", "def greet(name):\n    print('hello', name)\n    return {'greeted': name}\n")
    declare(place, "handler: 'work:greet', payload: {name: file}")

    declared = place.jobsched("exec", "it")
    given = place.jobsched("exec", "it", "--payload", '{"name": "argument"}')

    assert declared.stdout == "hello file\n"
    assert declared.stderr == 'result: {"greeted": "file"}\n'
    assert given.stdout == "hello argument\n"


def test_it_makes_no_database_and_needs_none(place: "Workplace") -> None:
    declare(place, "command: [echo, fine]")
    place.url = "postgresql://nobody@127.0.0.1:1/none"

    assert place.jobsched("exec", "it").stdout == "fine\n"
    assert [entry.name for entry in place.folder.iterdir()] == ["jobs.yaml"]


def test_a_commands_output_goes_where_it_sent_it_and_its_exit_code_is_ours(place: "Workplace") -> None:
    declare(place, "shell: 'cat; echo; echo wrong >&2; exit 7', payload: {a: 1}")

    done = place.jobsched("exec", "it", code=7)

    assert done.stdout == '{"a":1}\n'
    assert done.stderr == "wrong\nit: exit code 7\n"


def test_a_command_that_a_signal_ended_gives_the_code_that_a_shell_gives(place: "Workplace") -> None:
    declare(place, "shell: 'kill -KILL $$'")

    assert "ended by signal 9" in place.jobsched("exec", "it", code=137).stderr


def test_what_a_function_raises_is_shown_with_its_place(place: "Workplace") -> None:
    place.module("work", "def boom():\n    raise ValueError('no such thing')\n")
    declare(place, "handler: 'work:boom'")

    shown = place.jobsched("exec", "it", code=1).stderr

    assert 'work.py", line 2, in boom' in shown
    assert shown.endswith("it: ValueError: no such thing\n")
    assert "performance.py" not in shown


def test_what_it_logs_is_shown(place: "Workplace") -> None:
    place.module(
        "work",
        """
        import logging
        from jobsched import Context

        def talk(ctx: Context):
            ctx.log.debug("to the run")
            logging.getLogger("mine").info("to the module's log")
        """,
    )
    declare(place, "handler: 'work:talk'")

    assert place.jobsched("exec", "it").stderr == "DEBUG to the run\nINFO mine: to the module's log\n"


@pytest.mark.parametrize(
    ("payload", "code", "why"),
    [("{", 2, "is no JSON"), ("[]", 2, "must be a JSON object"), ('{"nam": 1}', 1, "does not fit 'work:greet'")],
)
def test_a_payload_that_does_not_fit_is_refused(place: "Workplace", payload: str, code: int, why: str) -> None:
    place.module("work", "def greet(name):\n    print('performed')\n")
    declare(place, "handler: 'work:greet'")

    done = place.jobsched("exec", "it", "--payload", payload, code=code)

    assert why in done.stderr
    assert "performed" not in done.stdout


def test_an_unknown_job_gets_the_nearest_name(place: "Workplace") -> None:
    declare(place, "command: ['true']")

    assert "did you mean 'it'?" in place.jobsched("exec", "itt", code=1).stderr


def test_secrets_of_the_environment_do_not_show(place: "Workplace") -> None:
    declare(place, "shell: 'echo \"token is $TOKEN\"', env: {TOKEN: '${SECRET_TOKEN}'}")

    assert place.jobsched("exec", "it", SECRET_TOKEN="swordfish").stdout == "token is ${SECRET_TOKEN}\n"


@pytest.mark.parametrize(
    "job",
    [
        "command: [sleep, '600'], timeout: 100ms",
        "handler: 'work:obeys', timeout: 100ms",
        "handler: 'work:sleeps', timeout: {after: 100ms, kill_after: 100ms}",
        "handler: 'work:decorated'",
    ],
)
def test_the_timeout_holds(place: "Workplace", job: str) -> None:
    place.module(
        "work",
        """
        import threading
        from jobsched import Context, handler

        def obeys(ctx: Context):
            ctx.wait(600)
            ctx.check()

        def sleeps():
            threading.Event().wait(600)

        @handler(timeout="100ms")
        def decorated(ctx: Context):
            obeys(ctx)
        """,
    )
    declare(place, job)

    assert "HandlerTimeoutError" in place.jobsched("exec", "it", code=1).stderr


def test_output_comes_as_it_is_written_and_ctrl_c_stops_the_command(place: "Workplace", start: Start) -> None:
    declare(place, "shell: 'trap \"echo cleaned up; exit\" TERM; echo $$; while :; do sleep 0.05; done'")
    process = start()
    assert process.stdout is not None

    group = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stdout == "cleaned up\n"
    assert stderr.endswith("it: stopped\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_second_ctrl_c_stops_a_function_that_does_not_obey(place: "Workplace", start: Start, executor: str) -> None:
    place.module("work", "import threading\n\ndef stay():\n    print('here')\n    threading.Event().wait(600)\n")
    declare(place, f"handler: 'work:stay', executor: {executor}, timeout: {{after: 1h, kill_after: 1h}}")
    process = start()
    assert process.stdout is not None
    assert process.stderr is not None

    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert "again stops at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130


def test_ctrl_c_ends_the_time_that_a_timeout_leaves(place: "Workplace", start: Start) -> None:
    place.module(
        "work",
        """
        import threading
        from jobsched import Context, handler

        def ignore(ctx: Context):
            ctx.wait(600)
            print("late")
            threading.Event().wait(600)
        """,
    )
    declare(place, "handler: 'work:ignore', timeout: {after: 100ms, kill_after: 1h}")
    process = start()
    assert process.stdout is not None

    process.stdout.readline()
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130


def test_a_reader_that_goes_away_stops_the_command(place: "Workplace", start: Start) -> None:
    declare(place, "command: ['yes']")
    process = start()
    assert process.stdout is not None
    assert process.stderr is not None

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(60) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "handler",
    [
        "def it():\n    ThreadPoolExecutor().submit(stuck)\n",
        "def it():\n    threading.Thread(target=stuck).start()\n    raise ValueError('left one')\n",
        "async def it():\n    await asyncio.to_thread(stuck)\n",
    ],
)
def test_it_ends_though_a_handler_leaves_a_thread_behind_and_calls_what_is_to_be_called_at_exit(
    place: "Workplace", handler: str
) -> None:
    place.module(
        "work",
        "import asyncio, atexit, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "stuck = threading.Event().wait\natexit.register(print, 'called at exit')\n" + handler,
    )
    declare(place, "handler: 'work:it', timeout: {after: 1s, kill_after: 100ms}")

    done = place.jobsched("exec", "it", code=None)

    assert done.returncode == ("Error" in done.stderr)
    assert done.stdout == "called at exit\n"
