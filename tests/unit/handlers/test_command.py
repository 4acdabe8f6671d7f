import json
import os
import pwd
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched.config.variables import resolve
from jobsched.errors import CommandError, HandlerCancelledError, HandlerTimeoutError
from jobsched.handlers import process
from jobsched.handlers.command import perform_command
from jobsched.handlers.inheritance import Inheritance
from jobsched.handlers.secrets import Secrets
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Timeout

from .conftest import Bench

InThread = Callable[[Callable[[], Any]], Callable[[], Any]]

SOON = Timeout(timedelta(hours=1), kill_after=timedelta(milliseconds=200))
LATE = Timeout(timedelta(hours=1), kill_after=timedelta(hours=1))


def is_alive(pid: int) -> bool:
    """Not a zombie either, as an orphan is for a moment where nobody reaps it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z" if Path("/proc/self").exists() else True
    except FileNotFoundError:
        return False


def dies(pid: int) -> bool:
    """Whether it is gone within 30 s."""
    deadline = time.monotonic() + 30
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


# -- what it is given


def test_exit_code_0_is_the_result(bench: Bench) -> None:
    assert bench.command("true") == {"exit_code": 0}


def test_a_shell_text_is_for_sh(bench: Bench) -> None:
    bench.shell("echo $((40 + 2)) | cat")

    assert bench.log.text("stdout") == "42\n"


def test_a_command_is_not_for_a_shell(bench: Bench) -> None:
    bench.command("printf", "%s|", "$HOME; ls", "a b", "")

    assert bench.log.text("stdout") == "$HOME; ls|a b||\n"


def test_the_payload_stands_on_stdin_and_in_the_environment(bench: Bench) -> None:
    payload = {"to": "grün", "n": [1, None], "nul": "\x00"}

    bench.shell('cat; echo; printf "%s" "$JOBSCHED_PAYLOAD"', payload=payload)

    first, second = bench.log.text("stdout").splitlines()
    assert json.loads(first) == json.loads(second) == payload


def test_a_lone_surrogate_in_the_payload_is_escaped(bench: Bench) -> None:
    bench.command("cat", payload={"text": "\ud800"})

    assert json.loads(bench.log.text("stdout")) == {"text": "\ud800"}


def test_a_payload_too_large_for_a_variable_stands_on_stdin_alone(bench: Bench) -> None:
    bench.shell('wc -c; echo "${JOBSCHED_PAYLOAD-unset}"', payload={"text": "x" * 1_000_000})

    count, variable = bench.log.text("stdout").split()
    assert int(count) == 1_000_000 + len('{"text":""}')
    assert variable == "unset"


def test_a_command_that_never_reads_its_payload_ends_all_the_same(bench: Bench) -> None:
    assert bench.command("true", payload={"text": "x" * 1_000_000}) == {"exit_code": 0}


def test_a_command_that_closes_its_stdin_goes_on(bench: Bench) -> None:
    bench.shell("exec 0<&-; echo going on", payload={"text": "x" * 1_000_000})

    assert bench.log.text("stdout") == "going on\n"


def test_the_run_stands_in_the_environment(bench: Bench) -> None:
    bench.shell(
        'echo "$JOBSCHED_RUN_ID $JOBSCHED_JOB $JOBSCHED_ATTEMPT $JOBSCHED_SCHEDULED_AT"',
        attempt=2,
        scheduled_at=datetime(2026, 3, 29, 1, tzinfo=UTC),
    )

    assert bench.log.text("stdout") == "7 nightly 2 2026-03-29T01:00:00Z\n"


def test_an_ad_hoc_run_has_neither_job_nor_slot(bench: Bench) -> None:
    bench.shell('set -u; echo "[$JOBSCHED_JOB][$JOBSCHED_SCHEDULED_AT]"', job=None)

    assert bench.log.text("stdout") == "[][]\n"


def test_it_inherits_the_nodes_environment_without_our_own_variables(bench: Bench) -> None:
    bench.environ |= {"LANGUAGE": "it", "JOBSCHED_DATABASE_URL": "secret", "JOBSCHED_API_TOKENS": "secret"}

    bench.command("env")

    found = dict(line.split("=", 1) for line in bench.log.text("stdout").splitlines())
    assert found["LANGUAGE"] == "it"
    assert "secret" not in found.values()


def test_the_jobs_env_is_resolved_late_and_wins_over_the_inherited_but_not_over_the_run(bench: Bench) -> None:
    bench.environ |= {"A": "inherited"}

    bench.shell('echo "$A ${#B} $JOBSCHED_RUN_ID"', env={"A": "own", "B": "<${SECRET}>", "JOBSCHED_RUN_ID": "1"})

    assert bench.log.text("stdout") == "own 8 7\n"


def test_what_it_inherits_may_be_listed(bench: Bench) -> None:
    bench.environ |= {"LANG": "C", "AWS_REGION": "x", "AWS_TOKEN": "y", "DB_PASSWORD": "z"}
    listed = Inheritance(("LANG", "AWS_*", "DB_PASSWORD"), withheld=frozenset({"DB_PASSWORD"}))

    bench.shell("env", inheritance=listed, env={"OWN": "1"})

    names = {line.partition("=")[0] for line in bench.log.text("stdout").splitlines()}
    assert names - {"PWD", "SHLVL", "_"} >= {"PATH", "LANG", "AWS_REGION", "AWS_TOKEN", "OWN", "JOBSCHED_RUN_ID"}
    assert names & {"SECRET", "DB_PASSWORD"} == set()


def test_its_umask_is_its_own(bench: Bench) -> None:
    bench.shell("umask", umask="027")

    assert int(bench.log.text("stdout"), 8) == 0o027


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_root_runs_it_as_another_user_with_the_groups_and_home_of_that_user(bench: Bench) -> None:
    nobody = pwd.getpwnam("nobody")

    bench.shell('id -u; id -g; id -G; echo "$HOME" "$USER" "$LOGNAME"', user="nobody")

    groups = os.getgrouplist("nobody", nobody.pw_gid)
    uid, gid, in_groups, names = bench.log.text("stdout").splitlines()
    assert (int(uid), int(gid)) == (nobody.pw_uid, nobody.pw_gid)
    assert set(map(int, in_groups.split())) == set(groups)
    assert names == f"{nobody.pw_dir} nobody nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_what_runs_as_another_user_is_stopped_as_well(bench: Bench, in_thread: InThread) -> None:
    result = in_thread(lambda: bench.shell("echo ready; exec sleep 3600", user="nobody"))
    bench.log.wait_for("ready")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()


def test_who_is_no_root_may_become_nobody_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(CommandError, match="cannot run as `user` 'nobody': the node is '12345', and only root may"):
        bench.shell("id", user="nobody")


MAY_NOT_BECOME_SOMEBODY = """
import ctypes, os, pwd, sys
import jobsched.handlers.command  # now: as nobody it may not be readable
from jobsched.errors import CommandError
from tests.unit.handlers.conftest import _Bench

bench = _Bench()
if sys.argv[1] == "no root":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
else:
    for capability in range(64):
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP: what is executed next has none of them
    if sys.argv[-1] != "again":
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "again"])
for user in sys.argv[2:4]:
    try:
        bench.shell("id -u", user=user)
    except CommandError as error:
        print(error)
print(bench.log.text("stdout"))
"""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root may give up what it may do")
@pytest.mark.parametrize(
    ("who", "says"),
    [("no root", "the node is 'nobody', and only root may"), ("bare root", "needs the capabilities SETUID and SETGID")],
)
def test_a_node_that_may_not_become_somebody_says_so_and_still_runs_what_is_its_own(who: str, says: str) -> None:
    other, own = ("root", "nobody") if who == "no root" else ("nobody", "root")
    child = [sys.executable, "-c", MAY_NOT_BECOME_SOMEBODY, who, other, own]

    done = subprocess.run(child, capture_output=True, text=True, check=False)

    said = done.stdout
    assert done.returncode == 0, done.stderr
    assert f"cannot run as `user` {other!r}" in said
    assert says in said
    assert said.endswith(f"\n{pwd.getpwnam(own).pw_uid}\n\n")


def test_a_user_that_does_not_exist_is_named(bench: Bench) -> None:
    with pytest.raises(CommandError, match="'no-such': this machine has no such user"):
        bench.shell("id", user="no-such")


def test_its_own_user_needs_no_root(bench: Bench) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name

    assert bench.shell("true", user=own) == {"exit_code": 0}


def test_it_runs_in_its_cwd(bench: Bench, tmp_path: Path) -> None:
    bench.command("pwd", cwd=str(tmp_path))

    assert bench.log.text("stdout").strip() == str(tmp_path.resolve())


# -- how it cannot start


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "script"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-program-here",), "cannot start 'no-such-program-here': it is not found on PATH"),
        (("/no/such/program",), "cannot start '/no/such/program': it does not exist"),
        (("/",), "cannot start '/': it is not executable"),
        (("true", "a\x00b"), "cannot start 'true': word 1 of the command has a NUL in it"),
        (("a\x00b",), r"cannot start 'a\\u0000b': word 0"),
        ((), "the command is empty"),
        (("",), "the command is empty"),
        (("true", "\ud800"), "cannot start 'true': an argument"),
        (("true", "x" * 3_000_000), "too large for the system; hand large values over in the payload"),
    ],
)
def test_what_cannot_start_says_why(bench: Bench, argv: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError) as raised:
        bench.command(*argv)

    assert words in str(raised.value)
    assert raised.value.exit_code is None


def test_a_file_that_is_no_program_says_so(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="neither a binary nor begins with `#!`"):
        bench.command(script(tmp_path, "just text"))


def test_a_file_that_is_not_executable_says_so(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="it is not executable"):
        bench.command(script(tmp_path, "#!/bin/sh\n", mode=0o644))


def test_a_missing_interpreter_says_so(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="or its interpreter does not"):
        bench.command(script(tmp_path, "#!/no/such/interpreter\n"))


def test_a_cwd_that_does_not_exist_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot start 'true': its `cwd` '.*/gone': No such file or directory"):
        bench.command("true", cwd=str(tmp_path / "gone"))


@pytest.mark.parametrize("env", [{"A": "\x00"}, {"A=B": "c"}])
def test_a_bad_variable_says_so(bench: Bench, env: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="a variable of `env`"):
        bench.command("true", env=env)


def test_without_file_descriptors_the_command_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(process, "_Wakeup", no_more)

    with pytest.raises(CommandError, match="cannot follow the command, so it was killed: Too many open files"):
        bench.command("sleep", "3600")


# -- how it ends


def test_another_exit_code_is_an_error_with_the_last_lines_of_stderr(bench: Bench) -> None:
    with pytest.raises(CommandError) as raised:
        bench.shell('for i in $(seq 30); do echo "line $i" >&2; done; exit 3')

    assert raised.value.exit_code == 3
    expected = "\n".join(f"line {number}" for number in range(21, 31))
    assert str(raised.value) == f"exit code 3; stderr ends with:\n{expected}"


def test_an_error_without_stderr_says_so(bench: Bench) -> None:
    with pytest.raises(CommandError, match=r"^exit code 1; nothing on stderr$"):
        bench.command("false")


def test_the_signal_that_ended_it_is_named(bench: Bench) -> None:
    with pytest.raises(CommandError, match=r"^ended by signal SIGSEGV; nothing on stderr$") as raised:
        bench.shell("kill -SEGV $$")

    assert raised.value.exit_code == -signal.SIGSEGV


def test_what_an_error_quotes_is_bounded_and_storable(bench: Bench) -> None:
    with pytest.raises(CommandError) as raised:
        bench.shell(r"head -c 1000000 /dev/zero >&2; exit 1")

    assert "\x00" not in str(raised.value)
    assert len(str(raised.value)) < 30_000


# -- what it writes


def test_stdout_and_stderr_are_told_apart(bench: Bench) -> None:
    bench.shell("echo out; echo err >&2")

    assert (bench.log.text("stdout"), bench.log.text("stderr")) == ("out\n", "err\n")


def test_a_last_line_without_an_end_is_kept(bench: Bench) -> None:
    bench.shell("printf 'a\nb'")

    assert bench.log.text("stdout") == "a\nb\n"


def test_lines_are_handed_over_whole_while_it_runs(bench: Bench, in_thread: InThread, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)

    result = in_thread(lambda: bench.shell(f"printf 'first\nsec'; cat {go}; echo ond"))
    bench.log.wait_for("first\n")
    go.write_text("")
    result()

    assert bench.log.written == [("stdout", "first\n"), ("stdout", "second\n")]


def test_what_is_no_utf8_is_replaced_also_over_the_bounds_of_chunks(bench: Bench) -> None:
    bench.shell(r"""python3 -c "import sys; sys.stdout.buffer.write(b'x' + 'ü'.encode() * 100_000 + b'\xff\n')" """)

    assert bench.log.text("stdout") == "x" + "ü" * 100_000 + "\ufffd\n"


def test_an_endless_line_is_handed_over_in_pieces(bench: Bench) -> None:
    bench.shell("head -c 1000000 /dev/zero | tr '\\0' x")

    assert bench.log.text("stdout").strip("\n") == "x" * 1_000_000
    assert max(len(text) for _, text in bench.log.written) <= 8192 + 65536 + 1


class _Counting:
    """A sink that keeps nothing, and stops the command after many bytes."""

    def __init__(self, stop: Callable[[], object], after: int) -> None:
        self.count, self._stop, self._after = 0, stop, after

    def write(self, stream: str, text: str) -> None:
        self.count += len(text)
        if self.count > self._after:
            self._stop()


@pytest.mark.parametrize("what", ["yes", "cat /dev/zero", "yes >&2"])
def test_memory_stays_flat_whatever_is_written(bench: Bench, what: str) -> None:
    bench.shell("echo warm")
    sink = _Counting(lambda: bench.cancel.cancel("cancelled"), after=200_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(HandlerCancelledError):
        bench.shell(what, log=sink)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sink.count > 200_000_000
    assert grown * (1 if sys.platform == "darwin" else 1024) < 5 * 1024 * 1024


# -- what it writes of secrets


def test_a_secret_that_a_command_prints_is_not_kept(bench: Bench) -> None:
    bench.shell('env; echo "<$TOKEN>" >&2', env={"TOKEN": "${SECRET}"})

    assert "TOKEN=${SECRET}" in bench.log.text("stdout").splitlines()
    assert bench.log.text("stderr") == "<${SECRET}>\n"
    assert "s3cret" not in str(bench.log.written)


def test_a_secret_of_several_lines_is_not_kept(bench: Bench) -> None:
    bench.environ["KEY"] = "-----BEGIN-----\nc2VjcmV0\n-----END-----"

    bench.command("env", env={"A": "${KEY}"})

    assert "c2VjcmV0" not in bench.log.text("stdout")


def test_a_secret_on_stderr_is_not_quoted_in_the_error(bench: Bench) -> None:
    with pytest.raises(CommandError) as raised:
        bench.shell('echo "bad token $TOKEN" >&2; exit 3', env={"TOKEN": "${SECRET}"})

    assert str(raised.value) == "exit code 3; stderr ends with:\nbad token ${SECRET}"
    assert raised.value.exit_code == 3


def test_a_secret_that_comes_in_two_pieces_is_found(bench: Bench, in_thread: InThread, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)

    script = f'printf "first\n<s3c"; echo there >&2; cat {go}; echo "ret>"'
    result = in_thread(lambda: bench.shell(script, env={"TOKEN": "${SECRET}"}))
    bench.log.wait_for("there", "stderr")
    go.write_text("")
    result()

    assert bench.log.text("stdout") == "first\n<${SECRET}>\n"


def test_a_secret_is_found_wherever_an_endless_line_or_the_tail_of_an_error_is_cut(bench: Bench) -> None:
    script = "python3 -c \"import os; os.write(2, os.environ['TOKEN'].encode() * 50_000)\"; exit 1"

    with pytest.raises(CommandError) as raised:
        bench.shell(script, env={"TOKEN": "${SECRET}"})

    assert bench.log.text("stderr") == "${SECRET}" * 50_000 + "\n"
    assert "s3cret" not in str(bench.log.written)
    assert "s3c" not in str(raised.value)
    assert "ret$" not in str(raised.value)


# -- how it is stopped


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("timeout", HandlerTimeoutError),
        ("shutdown", HandlerCancelledError),
        ("cancelled", HandlerCancelledError),
        ("fenced", HandlerCancelledError),
    ],
)
def test_it_is_asked_to_end_by_sigterm(bench: Bench, in_thread: InThread, reason: Any, error: type[Exception]) -> None:
    text = 'trap "echo asked; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    result = in_thread(lambda: bench.shell(text, timeout=LATE))
    bench.log.wait_for("ready")

    bench.cancel.cancel(reason)

    with pytest.raises(error):
        result()
    assert bench.log.text("stdout") == "ready\nasked\n"


def test_what_ignores_sigterm_is_killed_after_kill_after(bench: Bench, in_thread: InThread) -> None:
    text = 'trap "" TERM; echo ready $$; while :; do sleep 0.05; done'
    result = in_thread(lambda: bench.shell(text, timeout=SOON))
    bench.log.wait_for("ready")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()
    assert dies(int(bench.log.text("stdout").split()[1]))


def test_a_node_that_lost_its_lease_does_not_wait_for_kill_after(
    bench: Bench, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_FENCED_SECONDS", 0.1)
    result = in_thread(lambda: bench.shell('trap "" TERM; echo ready; while :; do sleep 0.05; done', timeout=LATE))
    bench.log.wait_for("ready")

    bench.cancel.cancel("fenced")

    with pytest.raises(HandlerCancelledError):
        result()


def test_its_children_are_stopped_with_it(bench: Bench, in_thread: InThread) -> None:
    text = "sleep 3600 & echo child $!; wait"
    result = in_thread(lambda: bench.shell(text, timeout=SOON))
    bench.log.wait_for("child")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()
    assert dies(int(bench.log.text("stdout").split()[1]))


def test_children_that_outlive_a_stopped_command_are_killed(bench: Bench, in_thread: InThread) -> None:
    text = """sh -c 'trap "" TERM; echo child $$; while :; do sleep 0.05; done' & wait"""
    result = in_thread(lambda: bench.shell(text, timeout=SOON))
    bench.log.wait_for("child")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()
    assert dies(int(bench.log.text("stdout").split()[1]))


def test_children_of_a_stopped_command_may_finish_in_the_time_given(bench: Bench, in_thread: InThread) -> None:
    text = """sh -c 'trap "echo tidied up; exit" TERM; echo ready; while :; do sleep 0.05; done' & wait"""
    result = in_thread(lambda: bench.shell(text, timeout=LATE))
    bench.log.wait_for("ready")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()
    assert "tidied up" in bench.log.text("stdout")


def test_one_that_ended_before_it_was_stopped_keeps_its_result(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    wind_up = process.Follow._wind_up

    def cancel_and_wind_up(follow: process.Follow) -> int:
        bench.cancel.cancel("timeout")
        return wind_up(follow)

    monkeypatch.setattr(process.Follow, "_wind_up", cancel_and_wind_up)

    assert bench.command("true") == {"exit_code": 0}


def test_one_that_failed_before_it_was_stopped_did_not_end_for_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wind_up = process.Follow._wind_up

    def cancel_and_wind_up(follow: process.Follow) -> int:
        bench.cancel.cancel("fenced")
        return wind_up(follow)

    monkeypatch.setattr(process.Follow, "_wind_up", cancel_and_wind_up)

    with pytest.raises(CommandError):
        bench.command("false")

    bench.cancel.ends()
    assert bench.cancel.heeded is None


# -- what it leaves behind


def test_a_child_in_the_background_that_holds_the_pipes_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "EOF_SECONDS", 0.1)

    assert bench.shell("sleep 3600 & echo $!") == {"exit_code": 0}
    assert dies(int(bench.log.text("stdout")))


@pytest.mark.skipif(not Path("/usr/bin/setsid").exists(), reason="needs setsid")
def test_a_daemon_in_a_session_of_its_own_that_holds_the_pipes_does_not_hang_us(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "EOF_SECONDS", 0.1)

    started = tmp_path / "started"
    os.mkfifo(started)

    result = bench.shell(f"setsid sh -c 'echo $$; : > {started}; exec sleep 3600' & cat {started}")

    assert result == {"exit_code": 0}
    os.kill(int(bench.log.text("stdout")), signal.SIGKILL)


@pytest.mark.skipif(not Path("/usr/bin/setsid").exists(), reason="needs setsid, and /proc")
@pytest.mark.parametrize("silent", ["", ">/dev/null 2>&1"])
def test_what_left_the_session_of_a_stopped_command_is_killed(
    bench: Bench, in_thread: InThread, tmp_path: Path, silent: str
) -> None:
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    script = f"setsid sh -c 'echo $$ > {pid}; exec sleep 3600' {silent} & read number < {pid}; echo $number; sleep 3600"
    result = in_thread(lambda: bench.shell(script))
    bench.log.wait_for("\n")

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()
    assert dies(int(bench.log.text("stdout")))


def test_a_daemon_that_holds_no_pipe_is_left_alone(bench: Bench) -> None:
    bench.shell("sleep 3600 >/dev/null 2>&1 & echo $!")

    daemon = int(bench.log.text("stdout"))
    assert is_alive(daemon)
    os.kill(daemon, signal.SIGKILL)


def test_it_is_followed_after_it_has_closed_its_output(bench: Bench, tmp_path: Path) -> None:
    done = tmp_path / "done"

    bench.shell(f"exec >&- 2>&-; sleep 0.1; : > {done}")

    assert done.exists()


def test_nothing_of_ours_stays_open(bench: Bench) -> None:
    bench.command("true")
    before = len(list(Path("/dev/fd").iterdir()))

    for _ in range(5):
        bench.shell("echo x; echo y >&2", payload={"a": 1})

    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_sink_that_fails_takes_the_command_with_it(bench: Bench) -> None:
    class Failing:
        def write(self, stream: str, text: str) -> None:
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        perform_command(
            bench.call(CommandHandler(("yes",)), log=Failing()),
            Secrets(resolve, {}),
            bench.cancel._clock,
            {"PATH": "/usr/bin:/bin"},
        )
