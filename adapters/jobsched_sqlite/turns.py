"""Turns: threads that write come to it in the order in which they asked.

Whoever lets go of a lock, or of a pool's connection, and asks again at once mostly gets it again: the others have not woken
up yet. A node's scheduler would wait until nothing is left to claim and to finish.
"""

import threading
from collections import deque


class Turns:
    """A lock that is handed on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for one's turn; False: it did not come in this time."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        handed = False
        try:
            handed = mine.acquire(timeout=seconds)
        finally:
            if not handed and not self._give_up(mine):  # it was handed to us at the last moment
                self.hand_on()
        return handed

    def _give_up(self, mine: threading.Lock) -> bool:
        with self._lock:
            is_waiting = mine in self._waiting
            if is_waiting:
                self._waiting.remove(mine)
            return is_waiting

    def hand_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
