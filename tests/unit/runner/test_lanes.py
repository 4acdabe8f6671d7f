"""Calls side by side."""

import threading

import pytest

from jobsched.runner.lanes import side_by_side


def test_they_are_made_beside_each_other_and_answer_in_their_order() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def meet(name: str) -> str:
        meeting.wait()
        return name

    assert side_by_side([lambda: meet("a"), lambda: meet("b")]) == ["a", "b"]
    assert side_by_side([]) == []


def test_one_alone_is_made_in_this_thread() -> None:
    assert side_by_side([threading.current_thread]) == [threading.current_thread()]


def test_a_failure_is_raised_once_all_have_ended() -> None:
    ended = []

    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        side_by_side([fail, lambda: ended.append("the other")])

    assert ended == ["the other"]
