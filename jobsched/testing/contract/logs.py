"""The contract's chapter on what attempts wrote."""

from datetime import timedelta

import pytest

from jobsched.model.run import LogLine
from jobsched.store.port import Store
from jobsched.testing.builders import START, a_run


class LogContract:
    def test_lines_come_back_in_order_of_attempt_and_number(self, store: Store) -> None:
        run_id = a_run_id(store)
        lines = [a_line(run_id, attempt, seq) for attempt in (1, 2) for seq in range(12)]

        store.append_log([*lines[12:], *reversed(lines[:12])])

        assert store.log(run_id) == lines

    def test_a_line_comes_back_as_it_was(self, store: Store) -> None:
        run_id = a_run_id(store)
        at = START + timedelta(microseconds=123_456)
        lines = [
            LogLine(run_id, 1, 0, at, "stdout", ""),
            LogLine(run_id, 1, 1, at, "stderr", "ünïcödé 🎉 '\" \\ %s :name \t\x1b[31m"),
            LogLine(run_id, 1, 2, at, "log", "x" * (1 << 20)),
        ]

        store.append_log(lines)

        assert store.log(run_id) == lines

    def test_a_line_that_is_there_stays_as_it_is(self, store: Store) -> None:
        run_id = a_run_id(store)
        store.append_log([a_line(run_id, 1, 0, "first"), a_line(run_id, 1, 1, "first")])

        store.append_log([a_line(run_id, 1, 1, "again"), a_line(run_id, 1, 2, "new")])

        assert [line.text for line in store.log(run_id)] == ["first", "first", "new"]

    def test_a_line_twice_in_one_call_is_kept_once(self, store: Store) -> None:
        run_id = a_run_id(store)

        store.append_log([a_line(run_id, 1, 0, "first"), a_line(run_id, 1, 0, "again")])

        assert [line.text for line in store.log(run_id)] == ["first"]

    def test_the_newest_line_of_progress_is_found_among_the_others(self, store: Store) -> None:
        silent, talks = a_run_id(store), a_run_id(store)
        store.append_log(
            [
                a_line(talks, 1, 0, "90%", stream="progress"),
                a_line(talks, 2, 0, "10%", stream="progress"),
                a_line(talks, 2, 1, "20%", stream="progress"),
                a_line(talks, 2, 2, "done", stream="stdout"),
                a_line(silent, 1, 0, "30%", stream="stdout"),
            ]
        )

        found = store.progress([silent, talks])

        assert found == {talks: a_line(talks, 2, 1, "20%", stream="progress")}

    @pytest.mark.parametrize(
        ("after", "expected"),
        [
            ((0, -1), [(1, 0), (1, 1), (2, 0), (2, 1)]),
            ((1, 0), [(1, 1), (2, 0), (2, 1)]),
            ((1, 99), [(2, 0), (2, 1)]),
            ((2, 0), [(2, 1)]),
            ((2, 1), []),
        ],
    )
    def test_reading_goes_on_strictly_after_a_place(
        self, store: Store, after: tuple[int, int], expected: list[tuple[int, int]]
    ) -> None:
        run_id = a_run_id(store)
        store.append_log([a_line(run_id, attempt, seq) for attempt in (1, 2) for seq in (0, 1)])

        assert [(line.attempt, line.seq) for line in store.log(run_id, after=after)] == expected

    def test_reading_can_be_limited_and_narrowed_to_an_attempt(self, store: Store) -> None:
        run_id = a_run_id(store)
        store.append_log([a_line(run_id, attempt, seq) for attempt in (1, 2) for seq in range(5)])

        assert [(line.attempt, line.seq) for line in store.log(run_id, limit=2)] == [(1, 0), (1, 1)]
        assert [line.seq for line in store.log(run_id, attempt=2)] == list(range(5))
        assert [line.seq for line in store.log(run_id, attempt=2, after=(2, 1), limit=2)] == [2, 3]
        assert store.log(run_id, attempt=3) == []

    def test_runs_have_their_own_lines(self, store: Store) -> None:
        one, other = a_run_id(store), a_run_id(store)

        store.append_log([a_line(one, 1, 0, "one"), a_line(other, 1, 0, "other")])

        assert [line.text for line in store.log(one)] == ["one"]
        assert store.log(other + 1000) == []

    @pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\x00\udfff"])
    def test_no_text_is_refused(self, store: Store, text: str) -> None:
        run_id = a_run_id(store)

        store.append_log([a_line(run_id, 1, 0, text), a_line(run_id, 1, 1, "next")])

        [first, second] = store.log(run_id)
        assert (first.seq, second.text) == (0, "next")

    def test_appending_nothing_is_nothing(self, store: Store) -> None:
        store.append_log([])

        assert store.log(a_run_id(store)) == []


def a_run_id(store: Store) -> int:
    [created] = store.enqueue([a_run()])
    return created.id


def a_line(run_id: int, attempt: int, seq: int, text: str = "line", *, stream: str = "stdout") -> LogLine:
    return LogLine(run_id, attempt, seq, START, stream, text)
