"""Calls side by side."""

import threading
from functools import partial

import pytest

from jobsched.runner.lanes import side_by_side


def test_they_are_made_beside_each_other_and_answer_in_their_order() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def meet(name: str) -> str:
        meeting.wait()
        return name

    assert side_by_side([lambda: meet("a"), lambda: meet("b")], 2) == ["a", "b"]
    assert side_by_side([], 2) == []


def test_one_alone_is_made_in_this_thread() -> None:
    assert side_by_side([threading.current_thread], 2) == [threading.current_thread()]


def test_a_failure_is_raised_once_all_have_ended() -> None:
    ended = []

    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        side_by_side([fail, lambda: ended.append("the other")], 2)

    assert ended == ["the other"]


def test_a_lane_that_is_free_takes_the_next() -> None:
    made: list[int] = []

    answers = side_by_side([partial(made.append, number) for number in range(3)], 1)

    assert (made, answers) == ([0, 1, 2], [None, None, None])


def test_no_more_of_them_are_made_at_once_than_there_are_lanes() -> None:
    lanes = side_by_side([threading.current_thread] * 5, 2)

    assert len(set(lanes)) <= 2


def test_a_lane_ends_with_a_failure() -> None:
    made = []

    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        side_by_side([fail, lambda: made.append("after it")], 1)

    assert made == []
