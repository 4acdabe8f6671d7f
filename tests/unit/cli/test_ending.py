"""How the process of a command ends."""

import atexit
import os
import sys
import threading

import pytest

from jobsched.cli.ending import end_process


def test_it_ends_beside_a_thread_that_is_left_though_a_handler_took_the_streams_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.setattr(atexit, "_run_exitfuncs", lambda: None)
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    end_process(3)

    assert codes == [3]
