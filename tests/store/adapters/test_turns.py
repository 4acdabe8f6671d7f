"""Threads of one process that write to SQLite come to it in their order."""

import threading

import pytest

from jobsched_sqlite.turns import Turns


class Queue:
    """Threads that wait for a turn, one after the other; who had it, in order."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.had: list[str] = []
        self.threads: list[threading.Thread] = []

    def join(self, name: str) -> None:
        thread = threading.Thread(target=self._wait, args=(name,), daemon=True)
        self.threads.append(thread)
        waiting = len(self.turns._waiting)
        thread.start()
        while len(self.turns._waiting) == waiting and thread.is_alive():
            pass

    def _wait(self, name: str) -> None:
        assert self.turns.take(60)
        self.had.append(name)
        self.turns.hand_on()

    def end(self) -> list[str]:
        for thread in self.threads:
            thread.join(60)
        return self.had


def test_who_asks_again_waits_behind_those_who_asked_before() -> None:
    turns = Turns()
    assert turns.take(0)
    queue = Queue(turns)
    queue.join("scheduler")
    queue.join("completer")

    turns.hand_on()
    assert turns.take(60)

    assert queue.end() == ["scheduler", "completer"]


def test_a_turn_that_does_not_come_in_time_is_left_to_others() -> None:
    turns = Turns()
    assert turns.take(0)

    assert not turns.take(0.01)
    turns.hand_on()

    assert turns.take(0)


def test_who_is_interrupted_while_waiting_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    assert turns.take(0)

    class Interrupted:
        """As a lock is when a signal arrives."""

        def acquire(self, timeout: float = -1) -> bool:
            if timeout >= 0:
                raise KeyboardInterrupt
            return True

    with monkeypatch.context() as patched:
        patched.setattr("jobsched_sqlite.turns.threading.Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            turns.take(60)
    turns.hand_on()

    assert turns.take(0)
