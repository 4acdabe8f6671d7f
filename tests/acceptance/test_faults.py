"""What must not stop a node, nor lose a run: restarts of the database, signals, stuck handlers."""

import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Restartable, Workplace

pytestmark = pytest.mark.acceptance


def test_a_stuck_handler_does_not_keep_a_node_from_ending_and_its_run_is_given_back(workplace: "Workplace") -> None:
    workplace.module("work", "import threading\ndef stuck():\n    threading.Event().wait()\n")
    workplace.write("""
        version: 1
        jobs:
          stuck: {handler: "work:stuck"}
    """)
    node = workplace.start_node(JOBSCHED_GRACE="200ms")
    workplace.client.trigger("stuck")
    workplace.wait_for_run("stuck", RunState.RUNNING)

    code = node.terminate(seconds=10)

    [run] = workplace.runs("stuck")
    assert code == 0
    assert (run.state, run.attempt) == (RunState.PENDING, 0)


def test_a_node_worn_out_by_stuck_handlers_ends_with_a_code_of_its_own(place: "Workplace") -> None:
    place.module("work", "def spin():\n    while True:\n        pass\n")
    place.write("""
        settings: {max_abandoned: 1}
        jobs:
          spin: {handler: "work:spin", timeout: {after: 100ms, kill_after: 100ms}}
    """)
    node = place.start_node()

    run = place.client.trigger("spin")

    assert node.process.wait(30) == 75
    assert place.client.run(run.id).reason is Reason.TIMEOUT
    assert "should be started anew" in node.log


def test_a_worn_out_node_does_not_wait_for_the_stuck_thread_of_a_coroutine(place: "Workplace") -> None:
    place.module(
        "work",
        "import asyncio, threading\nasync def stuck():\n    await asyncio.to_thread(threading.Event().wait)\n",
    )
    place.write("""
        settings: {max_abandoned: 1}
        jobs:
          stuck: {handler: "work:stuck", timeout: {after: 100ms, kill_after: 100ms}}
    """)
    node = place.start_node()

    place.client.trigger("stuck")

    assert node.process.wait(30) == 75


def test_a_node_ends_though_a_handler_left_a_thread_behind_and_calls_what_is_to_be_called_at_exit(
    place: "Workplace",
) -> None:
    place.module(
        "work",
        """
        import atexit, threading
        from concurrent.futures import ThreadPoolExecutor

        atexit.register(print, "called at exit")

        def leave():
            ThreadPoolExecutor().submit(threading.Event().wait)
            threading.Thread(target=threading.Event().wait).start()
        """,
    )
    place.write("""
        jobs:
          leave: {handler: "work:leave"}
    """)
    node = place.start_node()
    place.client.trigger("leave")
    place.wait_for_run("leave", RunState.SUCCEEDED)

    assert node.terminate() == 0
    assert "called at exit" in node.log


def test_what_a_handler_forks_ends_with_the_handlers_code_and_at_a_signal(place: "Workplace") -> None:
    place.module(
        "work",
        """
        import os, signal, sys

        def returns():
            child = os.fork()
            return _exit_code(child) if child else None

        def leaves():
            child = os.fork()
            return _exit_code(child) if child else sys.exit(3)

        def raises():
            child = os.fork()
            return _exit_code(child) if child else [][0]

        def waits():
            ready, begun = os.pipe()
            child = os.fork()
            if not child:
                os.write(begun, b".")
                while True:
                    signal.pause()
            os.read(ready, 1)
            os.kill(child, signal.SIGTERM)
            return _exit_code(child)

        def _exit_code(child):
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        """,
    )
    place.write("""
        jobs:
          returns: {handler: "work:returns"}
          leaves: {handler: "work:leaves"}
          raises: {handler: "work:raises"}
          waits: {handler: "work:waits"}
    """)
    node = place.start_node()
    for job in ("returns", "leaves", "raises", "waits"):
        place.client.trigger(job)

    codes = {
        job: place.wait_for_run(job, RunState.SUCCEEDED)[0].result for job in ("returns", "leaves", "raises", "waits")
    }

    assert codes == {"returns": 0, "leaves": 3, "raises": 1, "waits": -signal.SIGTERM}
    assert "IndexError" in node.log


def test_a_module_that_hangs_at_its_import_keeps_neither_start_nor_reload_nor_other_jobs_nor_the_end_waiting(
    place: "Workplace",
) -> None:
    place.module("hangs", "import threading\nthreading.Event().wait()\ndef run(): pass\n")
    place.write("""
        jobs:
          hangs: {handler: "hangs:run"}
          well: {command: ["true"]}
    """)
    node = place.start_node()
    place.client.trigger("well")
    place.wait_for_run("well", RunState.SUCCEEDED)

    place.write("""
        jobs:
          hangs: {handler: "hangs:run"}
          added: {command: ["true"]}
    """)
    node.wait_for_log("generation 2 applied")
    place.client.trigger("added")

    place.wait_for_run("added", RunState.SUCCEEDED)
    assert node.terminate() == 0


def test_a_second_signal_ends_the_node_at_once_without_losing_the_run(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          long: {command: ["sleep", "600"]}
    """)
    node = workplace.start_node(JOBSCHED_GRACE="10m")
    workplace.client.trigger("long")
    node.wait_for_log("run 1 starts")

    node.process.send_signal(signal.SIGTERM)
    node.wait_for_log("a second signal ends it at once")
    code = node.terminate(seconds=10)

    [run] = workplace.runs("long")
    assert code == 0
    assert (run.state, run.attempt) == (RunState.PENDING, 0)


def test_a_third_signal_ends_the_node_though_it_could_not_save(place: "Workplace") -> None:
    place.write('jobs: {long: {shell: "echo $$ > pid; exec sleep 600"}}')
    node = place.start_node()
    run = place.client.trigger("long")
    pid = place.folder / "pid"
    place.eventually(lambda: pid.exists() and pid.read_text().strip(), "the command's pid")

    with sqlite3.connect(place.folder / "jobsched.db", isolation_level=None) as other:
        # Nothing can be saved, so the second does not end it either.
        other.execute("begin exclusive")
        node.process.send_signal(signal.SIGTERM)
        node.wait_for_log("a second signal ends it")
        node.process.send_signal(signal.SIGTERM)
        command = ["kill", "-0", pid.read_text().strip()]
        place.eventually(lambda: subprocess.run(command, check=False).returncode, "its end")
        node.process.send_signal(signal.SIGTERM)
        code = node.process.wait(30)
        other.execute("rollback")
    other.close()

    assert code == 128 + signal.SIGTERM
    assert place.client.run(run.id).state is RunState.RUNNING


def test_a_killed_node_takes_its_commands_with_it(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          long: {shell: "echo $$ > pid; exec sleep 6123"}
    """)
    node = workplace.start_node()
    workplace.client.trigger("long")
    pid = workplace.folder / "pid"
    workplace.eventually(lambda: pid.exists() and pid.read_text().strip(), "the command's pid")

    node.kill()

    number = int(pid.read_text())
    workplace.eventually(lambda: subprocess.run(["kill", "-0", str(number)], check=False).returncode, "its end")


def test_a_killed_node_takes_the_processes_of_handlers_with_it(place: "Workplace") -> None:
    place.module("work", "import os\n\ndef compute():\n    print(os.getpid())\n    while True:\n        pass\n")
    place.write("jobs: {compute: {handler: 'work:compute', executor: process}}")
    node = place.start_node()
    run = place.client.trigger("compute")
    [line] = place.eventually(lambda: place.client.log(run.id), "it prints its number")

    node.kill()

    place.eventually(lambda: subprocess.run(["kill", "-0", line.text], check=False).returncode, "its end")


def test_a_handler_that_kills_its_node_three_times_fails_for_good_and_others_go_on(workplace: "Workplace") -> None:
    workplace.module("work", "import os\ndef poison():\n    os.kill(os.getpid(), 9)\ndef fine():\n    return 1\n")
    workplace.write("""
        version: 1
        jobs:
          poison: {handler: "work:poison"}
          fine: {handler: "work:fine"}
    """)
    workplace.start_node()
    workplace.client.trigger("poison")
    for _ in range(2):
        workplace.nodes[-1].process.wait(30)
        workplace.start_node()
    workplace.nodes[-1].process.wait(30)

    workplace.start_node()
    [run] = workplace.wait_for_run("poison", RunState.FAILED)
    workplace.client.trigger("fine")

    assert run.reason is Reason.LOST
    assert (run.attempt, len(run.error)) == (3, 3)
    workplace.wait_for_run("fine", RunState.SUCCEEDED)


def test_a_paused_node_that_comes_back_cannot_overwrite_its_successor(workplace: "Workplace") -> None:
    workplace.module(
        "work",
        """
        import pathlib, threading
        def slow(ctx: "Context", first="first-began"):
            if not pathlib.Path(first).exists():
                pathlib.Path(first).touch()
                threading.Event().wait(4)
                return "zombie"
            return "successor"
        from jobsched import Context
        """,
    )
    workplace.write("""
        version: 1
        jobs:
          slow: {handler: "work:slow"}
    """)
    zombie = workplace.start_node()
    workplace.client.trigger("slow")
    workplace.eventually((workplace.folder / "first-began").exists, "the first attempt")

    zombie.process.send_signal(signal.SIGSTOP)
    workplace.start_node()
    [done] = workplace.wait_for_run("slow", RunState.SUCCEEDED)
    zombie.process.send_signal(signal.SIGCONT)
    zombie.wait_for_log("was declared dead and goes on as node")
    zombie.wait_for_log("is dropped")

    [run] = workplace.runs("slow")
    assert done.result == run.result == "successor"
    assert run.attempt == 2


def test_sighup_reads_the_files_again(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          one: {command: ["true"]}
    """)
    node = workplace.start_node()
    workplace.file.write_text(workplace.file.read_text() + "  two: {command: ['true']}\n")

    node.process.send_signal(signal.SIGHUP)

    node.wait_for_log("generation 2 applied")


def test_a_node_without_its_file_runs_on(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          tick: {command: ["true"], every: 1s}
    """)
    node = workplace.start_node()

    workplace.file.unlink()
    node.wait_for_log("the last good state runs on")
    before = len(workplace.runs("tick"))

    workplace.wait_for_run("tick", RunState.SUCCEEDED, count=before + 2)


def test_a_node_survives_a_restart_of_postgresql_and_saves_what_ended_meanwhile(restartable: "Restartable") -> None:
    workplace = restartable.workplace
    done = workplace.folder / "done"
    workplace.write(f"""
        version: 1
        jobs:
          tick: {{command: ["true"], every: 1s, concurrency: allow, catch_up: all}}
          long: {{shell: "sleep 2; touch {done}"}}
    """)
    node = workplace.start_node(JOBSCHED_LEASE="10s")
    workplace.client.trigger("long")
    node.wait_for_log("long: run")

    restartable.stop()
    workplace.eventually(done.exists, "the handler's end while the database is away")
    restartable.start()

    [run] = workplace.wait_for_run("long", RunState.SUCCEEDED)
    before = len(workplace.runs("tick", RunState.SUCCEEDED))
    workplace.wait_for_run("tick", RunState.SUCCEEDED, count=before + 3)
    assert run.attempt == 1
    slots = [run.scheduled_at for run in workplace.runs("tick")]
    assert len(slots) == len(set(slots))


def test_a_failure_is_told_of_once_though_its_node_dies_while_it_is_written(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          fails: {shell: "exit 3", on_failure: {shell: "cat > told-$JOBSCHED_RUN_ID.json"}}
    """)
    workplace.jobsched("sync")
    run_id = workplace.client.trigger("fails").id
    workplace.start_node(ready=False, JOBSCHED_TESTING="1", JOBSCHED_FAULT="before_finish_commit").process.wait(30)
    assert workplace.client.failure_runs([run_id]) == []

    workplace.start_node()

    assert workplace.client.wait(run_id).state is RunState.FAILED
    [told] = workplace.client.failure_runs([run_id])
    assert workplace.client.wait(told.id).state is RunState.SUCCEEDED
    [file] = workplace.folder.glob("told-*.json")
    assert f'"id":{run_id},' in file.read_text()
    assert f"on_failure: run {told.id} succeeded" in workplace.jobsched("show", "fails").stdout
