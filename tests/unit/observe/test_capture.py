import asyncio
import contextvars
import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobsched.clock import SystemClock
from jobsched.config.variables import resolve
from jobsched.handlers.call import Call, current_log, perform
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.registry import Registry
from jobsched.model.handler import PythonHandler
from jobsched.observe.capture import Capture, Sink
from jobsched.observe.runlog import RunLog

current: contextvars.ContextVar[Sink | None] = contextvars.ContextVar("current", default=None)


@pytest.fixture
def log() -> RunLog:
    return RunLog(1, 1, SystemClock())


# No fixtures: pytest puts its own streams in place after it has set them up.
@contextmanager
def a_node() -> Iterator[io.StringIO]:
    """What reaches the terminal, of a process whose logging writes to stderr."""
    terminal, capture = io.StringIO(), Capture(current.get)
    handler = logging.StreamHandler(terminal)
    handler.setFormatter(logging.Formatter("node: %(message)s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        patch.setattr(logging.root, "handlers", [handler])
        patch.setattr(logging.root, "level", logging.INFO)
        capture.install()
        yield terminal
        capture.uninstall()


@contextmanager
def a_run_of(log: RunLog) -> Iterator[io.StringIO]:
    """The block is a handler's; what nevertheless reaches the terminal."""
    token = current.set(log)
    with a_node() as terminal:
        yield terminal
    current.reset(token)


def written(log: RunLog) -> list[tuple[str, str]]:
    return [(line.stream, line.text) for line in log.close()]


def test_outside_of_a_run_everything_goes_where_it_always_went(log: RunLog) -> None:
    with a_node() as outside:
        print("hello")
        print("world", file=sys.stderr)
        logging.getLogger("app").info("logged")

        assert outside.getvalue() == "hello\nworld\nnode: logged\n"
        assert written(log) == []


def test_what_a_handler_prints_and_logs_goes_to_its_run_alone(log: RunLog) -> None:
    with a_run_of(log) as outside:
        print("hello", 1, flush=True)
        print("world", file=sys.stderr)
        sys.stdout.writelines(["a\n", "b\n"])
        logging.getLogger("app").warning("logged %d", 3)

        assert written(log) == [
            ("stdout", "hello 1"),
            ("stderr", "world"),
            ("stdout", "a"),
            ("stdout", "b"),
            ("log", "WARNING app: logged 3"),
        ]
        assert outside.getvalue() == ""


def test_a_logged_exception_brings_its_traceback(log: RunLog) -> None:
    with a_run_of(log):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.getLogger("app").exception("failed")

        lines = written(log)
        assert lines[0] == ("log", "ERROR app: failed")
        assert lines[-1] == ("log", "ZeroDivisionError: division by zero")


def test_bytes_written_to_the_buffer_are_the_handlers_too(log: RunLog) -> None:
    with a_run_of(log):
        sys.stdout.buffer.write(b"bytes \xff\n")

        assert written(log) == [("stdout", "bytes \ufffd")]


def test_within_a_run_nothing_is_a_terminal(log: RunLog) -> None:
    with a_run_of(log):
        assert not sys.stdout.isatty()


def test_closing_the_streams_harms_nobody(log: RunLog) -> None:
    with a_run_of(log):
        sys.stdout.close()
        print("still here")

        assert written(log) == [("stdout", "still here")]


def test_writing_what_is_no_text_is_refused_as_ever(log: RunLog) -> None:
    with a_run_of(log), pytest.raises(TypeError, match="must be str, not bytes"):
        sys.stdout.write(b"x")  # type: ignore[arg-type]


def test_what_jobsched_itself_says_in_a_handlers_thread_stays_in_the_nodes_log(log: RunLog) -> None:
    with a_run_of(log) as outside:
        logging.getLogger("jobsched").warning("about the node")
        logging.getLogger("jobsched.store").warning("about the store")

        assert outside.getvalue() == "node: about the node\nnode: about the store\n"
        assert written(log) == []


def test_a_bad_log_call_is_reported_in_the_run_and_does_not_raise(log: RunLog) -> None:
    with a_run_of(log):
        logging.getLogger("app").warning("%d", "no number")

        lines = written(log)
        assert {stream for stream, _ in lines} == {"stderr"}
        assert any("Logging error" in text for _, text in lines)


def test_a_thread_belongs_to_the_run_only_with_its_context(log: RunLog) -> None:
    with a_run_of(log) as outside:
        context = contextvars.copy_context()
        for thread in (
            threading.Thread(target=print, args=("without",)),
            threading.Thread(target=context.run, args=(print, "with")),
        ):
            thread.start()
            thread.join(30)

        assert written(log) == [("stdout", "with")]
        assert outside.getvalue() == "without\n"


def test_a_coroutine_and_its_threads_belong_to_the_run(log: RunLog) -> None:
    with a_run_of(log):

        async def prints() -> None:
            print("coroutine")
            await asyncio.create_task(asyncio.to_thread(print, "thread"))

        asyncio.run(prints())

        assert written(log) == [("stdout", "coroutine"), ("stdout", "thread")]


def test_two_runs_at_once_do_not_mix() -> None:
    with a_node():
        barrier, logs = threading.Barrier(2), [RunLog(1, 1, SystemClock()), RunLog(2, 1, SystemClock())]

        def handle(log: RunLog) -> None:
            current.set(log)
            for number in range(100):
                barrier.wait(30)
                print(log.run_id, number)

        threads = [threading.Thread(target=handle, args=(log,), daemon=True) for log in logs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        for log in logs:
            assert written(log) == [("stdout", f"{log.run_id} {number}") for number in range(100)]


def test_what_a_handler_prints_while_it_is_performed_goes_to_its_log(log: RunLog) -> None:
    registry, capture = Registry(), Capture(current_log.get)
    registry.handler("hello")(lambda: print("hello"))
    call = Call(
        run_id=1,
        namespace="default",
        job=None,
        attempt=1,
        max_attempts=1,
        scheduled_at=None,
        payload={},
        handler=PythonHandler("hello"),
        timeout=None,
        env={},
        cwd=None,
        cancel=CancelToken(SystemClock()),
        log=log,
    )

    capture.install()
    perform(call, registry, resolve, SystemClock())
    capture.uninstall()

    assert written(log) == [("stdout", "hello")]


def test_without_any_handler_of_the_root_warnings_still_reach_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    capture = Capture(current.get)
    capture.install()

    logging.getLogger("app").warning("heard")
    logging.getLogger("app").info("not heard")
    capture.uninstall()

    assert capsys.readouterr().err == "heard\n"


def test_uninstall_restores_what_was_there(monkeypatch: pytest.MonkeyPatch, log: RunLog) -> None:
    handler = logging.NullHandler()
    monkeypatch.setattr(logging.root, "handlers", [handler])
    before = (sys.stdout, sys.stderr)
    capture = Capture(current.get)

    capture.install()
    capture.install()
    capture.uninstall()
    capture.uninstall()

    assert (sys.stdout, sys.stderr) == before
    assert logging.root.handlers == [handler]
    assert handler.filters == []


def test_uninstall_leaves_alone_what_somebody_put_in_place_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    capture = Capture(current.get)
    capture.install()
    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", theirs)

    capture.uninstall()

    assert sys.stdout is theirs


def test_what_is_not_about_writing_is_the_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    original = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace", line_buffering=True)
    monkeypatch.setattr(sys, "stdout", original)
    capture = Capture(current.get)
    capture.install()

    assert (sys.stdout.encoding, sys.stdout.errors) == ("latin-1", "replace")
    assert sys.stdout.buffer is original.buffer
    assert sys.stdout.line_buffering is True  # type: ignore[union-attr, unused-ignore]
    capture.uninstall()
