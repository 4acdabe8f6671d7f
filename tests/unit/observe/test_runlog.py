import threading
from datetime import timedelta

import pytest

from jobsched.model.run import LogLine
from jobsched.observe.runlog import LINE_BYTES, MAX_ATTEMPT_BYTES, MAX_LINE_BYTES, RunLog
from jobsched.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(clock: FakeClock) -> RunLog:
    return RunLog(7, 2, clock)


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_a_line_carries_run_attempt_number_time_and_stream(log: RunLog, clock: FakeClock) -> None:
    started = clock.now()
    log.write("stdout", "one\n")
    clock.advance(timedelta(seconds=5))
    log.write("stderr", "two\n")

    assert log.drain() == [
        LogLine(7, 2, 0, started, "stdout", "one"),
        LogLine(7, 2, 1, started + timedelta(seconds=5), "stderr", "two"),
    ]


def test_what_was_drained_is_not_drained_again_and_numbers_go_on(log: RunLog) -> None:
    log.write("stdout", "one\n")
    log.drain()
    log.write("stdout", "two\n")

    assert [(line.seq, line.text) for line in log.drain()] == [(1, "two")]
    assert log.drain() == []


def test_parts_of_a_line_wait_for_its_end_each_stream_for_itself(log: RunLog) -> None:
    log.write("stdout", "a")
    log.write("stderr", "x")
    log.write("stdout", "b\nc")
    log.write("stderr", "y\n")

    assert texts(log.drain()) == ["ab", "xy"]


def test_close_gives_lines_without_an_end(log: RunLog) -> None:
    log.write("stdout", "done\nprompt> ")

    assert texts(log.close()) == ["done", "prompt> "]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("a\r\nb\r\n", ["a", "b"]),
        ("\n\n", ["", ""]),
        ("10%\r20%\n", ["10%\r20%"]),
        ("a\x00b\ud800\n", ["a\\u0000b\\ud800"]),
        ("\x1b[31mred\n", ["\x1b[31mred"]),
        ("", []),
    ],
)
def test_lines_as_they_are_kept(log: RunLog, written: str, lines: list[str]) -> None:
    log.write("stdout", written)

    assert texts(log.close()) == lines


def test_after_close_nothing_is_kept(log: RunLog) -> None:
    log.write("stdout", "one\n")
    log.close()
    log.write("stdout", "late\n")

    assert log.drain() == log.close() == []


def test_a_log_that_was_never_written_has_no_buffer(log: RunLog) -> None:
    assert log.drain() == log.close() == []
    assert log._buffer is None


@pytest.mark.parametrize("character", ["x", "ü", "🐘", "\x00"])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_line_is_cut_at_8_kb_and_says_so(log: RunLog, character: str, pieces: int) -> None:
    for _ in range(pieces):
        log.write("stdout", character * 100_000)
    log.write("stdout", "\nnext\n")

    line, following = log.drain()
    assert following.text == "next"
    assert len(line.text.encode()) <= MAX_LINE_BYTES
    assert line.text.endswith("more characters]")


def test_a_line_of_exactly_8_kb_is_kept_whole(log: RunLog) -> None:
    log.write("stdout", "x" * MAX_LINE_BYTES + "\n" + "ü" * (MAX_LINE_BYTES // 2) + "\n")

    assert texts(log.drain()) == ["x" * MAX_LINE_BYTES, "ü" * (MAX_LINE_BYTES // 2)]


def test_an_attempt_keeps_1_mib_and_says_how_much_was_dropped(log: RunLog) -> None:
    fits = MAX_ATTEMPT_BYTES // (100 + LINE_BYTES)

    for _ in range(fits + 1000):
        log.write("stdout", "x" * 100 + "\n")
    lines = log.close()

    assert len(lines) == fits + 1
    assert sum(len(line.text) + LINE_BYTES for line in lines[:-1]) <= MAX_ATTEMPT_BYTES
    assert lines[-1].stream == "log"
    assert lines[-1].text.startswith("[the log of an attempt holds 1 MiB: 1,000 more lines (100,")


def test_one_huge_text_is_bounded_as_many_small_ones_are(log: RunLog) -> None:
    fits = MAX_ATTEMPT_BYTES // (1 + LINE_BYTES)

    log.write("stdout", "y\n" * 5_000_000)
    lines = log.close()

    assert len(lines) == fits + 1
    assert f"{5_000_000 - fits:,} more lines" in lines[-1].text


def test_empty_lines_are_not_free(log: RunLog) -> None:
    log.write("stdout", "\n" * 1_000_000)

    assert len(log.close()) == MAX_ATTEMPT_BYTES // LINE_BYTES + 1


def test_after_the_limit_also_a_begun_line_is_counted_as_dropped(log: RunLog) -> None:
    log.write("stderr", "begun")
    log.write("stdout", "\n" * 40_000)

    lines = log.close()

    assert f"{40_000 - MAX_ATTEMPT_BYTES // LINE_BYTES + 1:,} more lines" in lines[-1].text
    assert "begun" not in texts(lines)


def test_many_threads_write_without_losing_or_mixing_lines(log: RunLog) -> None:
    barrier = threading.Barrier(4)

    def write(name: str) -> None:
        barrier.wait(30)
        for number in range(500):
            log.write("stdout", f"{name}{number}\n")

    threads = [threading.Thread(target=write, args=(name,), daemon=True) for name in "abcd"]
    for thread in threads:
        thread.start()
    drained: list[LogLine] = []
    while any(thread.is_alive() for thread in threads):
        drained += log.drain()
    drained += log.close()

    assert [line.seq for line in drained] == list(range(2000))
    assert sorted(texts(drained)) == sorted(f"{name}{number}" for name in "abcd" for number in range(500))
