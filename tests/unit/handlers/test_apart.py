import os
import signal
import textwrap
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.errors import (
    Cancel,
    HandlerCancelledError,
    HandlerProcessError,
    HandlerTimeoutError,
    PayloadError,
    RemoteError,
    ResultError,
    Retry,
    Snooze,
)
from jobsched.handlers import apart, forker
from jobsched.handlers.raised import error_entry
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Timeout

if TYPE_CHECKING:
    from tests.unit.handlers.conftest import Bench

    InThread = Callable[[Callable[[], Any]], Callable[[], Any]]

SOURCE = """
    import asyncio, atexit, ctypes, logging, os, signal, subprocess, sys, threading, time
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal
    from jobsched import Cancel, Context, Retry, Snooze

    log = logging.getLogger("billing")

    if __name__ in sys.argv[-2:][0]:  # the forking process has been told to import it
        atexit.register(print, "of the module")

    def registers():
        atexit.register(print, "last")
        atexit.register(print, "first")

    def where(**payload):
        return {"pid": os.getpid(), "main": threading.current_thread() is threading.main_thread(), **payload}

    def context(ctx: Context, name):
        return [ctx.run_id, ctx.job, ctx.attempt, ctx.max_attempts, ctx.scheduled_at, name, ctx.deadline is not None]

    def speak(ctx: Context):
        print("printed")
        print("wrong", file=sys.stderr)
        log.info("logged")
        ctx.log.debug("said")
        ctx.progress(0.5, "half")
        os.system("echo from a child")
        threading.Thread(target=lambda: print("from a thread")).start()

    def fails_when_told(file):
        print("ready")
        open(file).close()
        raise LookupError("its own")

    def raises():
        raise LookupError("no such thing")

    class PayloadError(Exception):
        pass

    def fails_like_us():
        raise PayloadError("of its own")

    def forks(how):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return "parent"
        if how == "raises":
            raise LookupError("of a child")
        if how == "exits":
            sys.exit(0)
        return "child"

    def wish(what):
        raise {"retry": Retry(after=7, reason="soon"), "cancel": Cancel("never"), "snooze": Snooze(60),
               "until": Snooze(datetime(2030, 1, 1, tzinfo=UTC))}[what]

    def returns(what):
        return {"decimal": Decimal("1.5"), "object": object, "nul": "a\\x00b"}[what]

    def heeds(ctx: Context):
        print("ready")
        ctx.wait(3600)
        ctx.check()

    async def sleeps():
        print("ready")
        await asyncio.sleep(3600)

    def busy():
        print("ready")
        while True:
            pass

    def deaf():
        subprocess.Popen(["sleep", "3600"])
        print("ready")
        threading.Event().wait()

    def dies(how):
        print("last words", file=sys.stderr)
        if how == "segfault":
            ctypes.string_at(0)
        elif how == "exit":
            os._exit(3)
        elif how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)

    def leaves():
        sys.exit("enough")

    def reads():
        return sys.stdin.read()

    def floods():
        line = "y" * 99 + "\\n"
        for _ in range(100_000):
            sys.stdout.write(line)

    def exaggerates():
        log.info("l" * 10_000_000)
        raise LookupError("e" * 10_000_000)

    def lies():
        for number in range(3, 20):
            try:
                os.write(number, b'no json\\n{"raised": 7}\\n[]\\n{"stream": 1}\\n')
            except OSError:
                pass
        return "the truth"

    def outer():
        def inner():
            pass
        return inner

    hidden = outer()
"""


@pytest.fixture
def perform(bench: "Bench", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Performs a function of SOURCE in a process of its own."""
    name = f"apart_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.syspath_prepend(tmp_path)

    def call(function: str, **fields: Any) -> Any:
        return bench.perform(PythonHandler(f"{name}:{function}"), executor="process", **fields)

    return call


def entry(raised: pytest.ExceptionInfo[RemoteError]) -> dict[str, Any]:
    return error_entry(raised.value)


def test_an_error_that_came_before_the_order_to_stop_is_its_own(
    perform: Callable[..., Any],
    bench: "Bench",
    in_thread: "InThread",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As of a node that was held up until the handler had ended.
    monkeypatch.setattr(apart, "_ask_to_stop", lambda *_: None)
    os.mkfifo(tmp_path / "go")
    result = in_thread(lambda: perform("fails_when_told", payload={"file": str(tmp_path / "go")}))
    bench.log.wait_for("ready")

    bench.cancel.cancel("shutdown")
    (tmp_path / "go").write_text("")

    with pytest.raises(RemoteError, match="its own"):
        result()
    assert bench.cancel.heeded is None


def test_it_runs_in_the_main_thread_of_another_process_with_the_payload(perform: Callable[..., Any]) -> None:
    first, second = perform("where", payload={"a": 1}), perform("where", payload={"a": 2})

    assert (first["main"], first["a"], second["a"]) == (True, 1, 2)
    assert len({first["pid"], second["pid"], os.getpid()}) == 3


def test_the_context_is_that_of_the_run(perform: Callable[..., Any], bench: "Bench") -> None:
    bench.cancel.deadline = threading.TIMEOUT_MAX

    told = perform("context", payload={"name": "x"}, scheduled_at=datetime(2030, 1, 1, tzinfo=UTC))

    assert told == [7, "nightly", 1, 3, "2030-01-01T00:00:00Z", "x", True]


def test_what_it_says_in_whatever_way_is_in_its_log(perform: Callable[..., Any], bench: "Bench") -> None:
    perform("speak")

    assert set(bench.log.text("stdout").splitlines()) >= {"printed", "from a child"}
    assert bench.log.text("stderr") == "wrong\n"
    assert bench.log.text("log") == "INFO billing: logged\nDEBUG said\n"
    assert bench.log.text("progress") == "50% half\n"


def test_what_it_raises_is_told_with_type_text_and_place(perform: Callable[..., Any]) -> None:
    with pytest.raises(RemoteError, match="no such thing") as raised:
        perform("raises")

    assert (entry(raised)["type"], entry(raised)["message"]) == ("LookupError", "no such thing")
    assert "in raises" in entry(raised)["traceback"]
    assert "forked_handler" not in entry(raised)["traceback"]
    assert raised.value.classes[:2] == ("builtins.LookupError", "builtins.Exception")


@pytest.mark.parametrize(
    ("what", "kind", "attribute", "value"),
    [
        ("retry", Retry, "after", timedelta(seconds=7)),
        ("cancel", Cancel, "args", ("never",)),
        ("snooze", Snooze, "until", timedelta(minutes=1)),
        ("until", Snooze, "until", datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_its_wishes_cross(
    perform: Callable[..., Any], what: str, kind: type[Exception], attribute: str, value: object
) -> None:
    with pytest.raises(kind) as raised:
        perform("wish", payload={"what": what})

    assert getattr(raised.value, attribute) == value


def test_an_error_that_is_called_as_one_of_ours_is_its_own(perform: Callable[..., Any]) -> None:
    with pytest.raises(RemoteError, match="of its own") as raised:
        perform("fails_like_us")

    assert "in fails_like_us" in entry(raised)["traceback"]


@pytest.mark.parametrize(("how", "said"), [("raises", "LookupError: of a child\n"), ("exits", ""), ("returns", "")])
def test_what_becomes_of_a_child_that_the_handler_forked_is_not_what_becomes_of_the_run(
    perform: Callable[..., Any], bench: "Bench", how: str, said: str
) -> None:
    assert perform("forks", payload={"how": how}) == "parent"

    assert bench.log.text("stderr").endswith(said)
    assert bool(bench.log.text("stderr")) == bool(said)


def test_what_the_handler_registers_with_atexit_is_called_and_what_its_module_did_is_not(
    perform: Callable[..., Any], bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = forker.Forker()
    monkeypatch.setattr(apart, "forker", fresh)

    perform("registers")

    assert bench.log.text("stdout") == "first\nlast\n"
    _end(fresh)


def test_of_several_outcomes_the_first_holds(bench: "Bench") -> None:
    answers = apart._Answers(bench.call(PythonHandler("it")))

    answers.feed(b'{"result": 1}\n{"result": 2}\n{"stream": "log", "text": "late"}\n')

    assert answers.outcome == {"result": 1}
    assert bench.log.text("log") == "late"


def test_its_result_is_turned_into_json_there(perform: Callable[..., Any]) -> None:
    assert perform("returns", payload={"what": "decimal"}) == "1.5"
    assert perform("returns", payload={"what": "nul"}) == r"a\u0000b"
    with pytest.raises(ResultError, match="type"):
        perform("returns", payload={"what": "object"})


def test_a_payload_that_does_not_fit_starts_nothing(
    perform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "forker", None)

    with pytest.raises(PayloadError, match="missing"):
        perform("wish")


@pytest.mark.parametrize("function", ["heeds", "sleeps"])
def test_who_heeds_the_order_to_stop_ends_in_order(
    perform: Callable[..., Any], bench: "Bench", in_thread: "InThread", function: str
) -> None:
    result = in_thread(lambda: perform(function))
    bench.log.wait_for("ready")

    bench.cancel.cancel("cancelled")

    with pytest.raises(RemoteError, match="the run was cancelled") as raised:
        result()
    assert entry(raised)["type"] == "HandlerCancelledError"
    assert bench.cancel.heeded == "cancelled"


@pytest.mark.parametrize("function", ["busy", "deaf"])
def test_who_does_not_is_killed_with_its_children_after_kill_after(
    perform: Callable[..., Any], bench: "Bench", in_thread: "InThread", function: str
) -> None:
    soon = Timeout(timedelta(hours=1), kill_after=timedelta(milliseconds=50))
    result = in_thread(lambda: perform(function, timeout=soon))
    bench.log.wait_for("ready")

    bench.cancel.cancel("timeout")

    # It would not come back while a child held the pipes.
    with pytest.raises(HandlerTimeoutError):
        result()


def test_there_is_no_waiting_where_there_is_no_time(
    perform: Callable[..., Any], bench: "Bench", in_thread: "InThread"
) -> None:
    result = in_thread(lambda: perform("busy"))
    bench.log.wait_for("ready")

    bench.cancel.cancel("shutdown")
    bench.cancel.hurry()

    with pytest.raises(HandlerCancelledError):
        result()


@pytest.mark.parametrize(
    ("how", "words", "code"),
    [
        ("segfault", "signal SIGSEGV ended its process", -signal.SIGSEGV),
        ("exit", "its process ended with exit code 3", 3),
        ("kill", "signal SIGKILL .* without memory left", -signal.SIGKILL),
    ],
)
def test_a_process_that_dies_fails_its_attempt_alone_and_says_how(
    perform: Callable[..., Any], how: str, words: str, code: int
) -> None:
    with pytest.raises(HandlerProcessError, match=rf"(?s){words}.*last words") as raised:
        perform("dies", payload={"how": how})

    assert raised.value.exit_code == code


def test_sys_exit_is_an_error_as_in_a_thread(perform: Callable[..., Any]) -> None:
    with pytest.raises(RemoteError, match="SystemExit") as raised:
        perform("leaves")

    assert entry(raised)["type"] == "HandlerExitError"


def test_its_stdin_is_empty(perform: Callable[..., Any]) -> None:
    assert perform("reads") == ""


def test_it_is_never_blocked_by_what_it_writes(perform: Callable[..., Any], bench: "Bench") -> None:
    perform("floods")

    assert len(bench.log.text("stdout")) == 10_000_000


def test_huge_records_and_errors_come_through(perform: Callable[..., Any], bench: "Bench") -> None:
    with pytest.raises(RemoteError, match="e" * 50_000):
        perform("exaggerates")

    assert bench.log.text("log") == f"INFO billing: {'l' * 10_000_000}\n"


def test_what_is_no_answer_is_not_taken_for_one(perform: Callable[..., Any]) -> None:
    assert perform("lies") == "the truth"


def test_a_function_that_cannot_be_imported_there_says_so(perform: Callable[..., Any], bench: "Bench") -> None:
    bench.registry.handler("inner")(lambda: None)

    with pytest.raises(HandlerProcessError, match="at the top of a module"):
        bench.perform(PythonHandler("inner"), executor="process")
    assert perform("hidden") is None


def test_a_forking_process_that_was_killed_is_replaced(
    perform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = forker.Forker()
    monkeypatch.setattr(apart, "forker", fresh)
    perform("where")
    first = fresh._pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)

    assert perform("where")["pid"]

    assert fresh._pid != first
    _end(fresh)


def _end(fresh: forker.Forker) -> None:
    assert fresh._requests is not None
    fresh._requests.close()
    os.waitpid(fresh._pid, 0)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_nothing_of_it_stays_open_here_or_in_the_forking_process(perform: Callable[..., Any]) -> None:
    def at_rest() -> tuple[int, int]:
        """Open files, here and there, once the forking process has let go of all."""
        forking = Path(f"/proc/{forker.forker._pid}")
        for _ in range(3000):
            if not (forking / "task" / forking.name / "children").read_text():
                break
            threading.Event().wait(0.01)
        return len(list(Path("/proc/self/fd").iterdir())), len(list((forking / "fd").iterdir()))

    perform("where")
    before = at_rest()

    for _ in range(3):
        perform("where")
    with pytest.raises(HandlerProcessError):
        perform("dies", payload={"how": "exit"})

    assert at_rest() == before
