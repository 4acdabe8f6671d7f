import threading

import pytest

from jobsched.errors import HandlerCancelledError, HandlerTimeoutError
from jobsched.handlers.cancel import CancelReason, CancelToken
from jobsched.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def token(clock: FakeClock) -> CancelToken:
    return CancelToken(clock)


def test_a_new_token_is_not_cancelled(token: CancelToken) -> None:
    token.check()

    assert (token.cancelled, token.reason, token.deadline, token.remaining) == (False, None, None, None)


def test_the_first_reason_wins(token: CancelToken) -> None:
    assert token.cancel("timeout")
    assert not token.cancel("shutdown")

    assert token.cancelled
    assert token.reason == "timeout"


@pytest.mark.parametrize(
    ("reason", "error", "words"),
    [
        ("timeout", HandlerTimeoutError, "timeout of the attempt passed"),
        ("shutdown", HandlerCancelledError, "shutting down"),
        ("cancelled", HandlerCancelledError, "was cancelled"),
        ("fenced", HandlerCancelledError, "lost its lease"),
    ],
)
def test_check_says_why(token: CancelToken, reason: CancelReason, error: type[Exception], words: str) -> None:
    token.cancel(reason)

    with pytest.raises(error, match=words):
        token.check()


def test_what_is_asked_once_the_handler_has_ended_is_not_what_it_ended_for(token: CancelToken) -> None:
    token.ends()
    token.cancel("fenced")
    token.ends()

    assert (token.reason, token.heeded) == ("fenced", None)


@pytest.mark.parametrize(("unasked", "heeded"), [(False, "shutdown"), (True, None)])
def test_what_it_ended_for_is_the_order_that_had_reached_it(
    token: CancelToken, heeded: CancelReason | None, *, unasked: bool
) -> None:
    token.cancel("shutdown")

    token.ends(unasked=unasked)

    assert token.heeded == heeded


def test_remaining_counts_down_to_the_deadline_and_beyond(token: CancelToken, clock: FakeClock) -> None:
    token.deadline = clock.monotonic() + 10

    clock.advance(12)

    assert token.remaining == -2


def test_callbacks_are_called_once_and_in_order(token: CancelToken) -> None:
    called: list[int] = []
    token.on_cancel(lambda: called.append(1))
    token.on_cancel(lambda: called.append(2))

    token.cancel("cancelled")
    token.cancel("cancelled")

    assert called == [1, 2]


def test_a_callback_that_comes_late_is_called_at_once(token: CancelToken) -> None:
    called: list[int] = []
    token.cancel("cancelled")

    token.on_cancel(lambda: called.append(1))

    assert called == [1]


def test_a_forgotten_callback_is_not_called(token: CancelToken) -> None:
    called: list[int] = []
    forget = token.on_cancel(lambda: called.append(1))

    forget()
    forget()
    token.cancel("cancelled")

    assert called == []


def test_a_callback_that_fails_keeps_neither_the_others_nor_the_canceller_from_going_on(
    token: CancelToken, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []
    token.on_cancel(lambda: 1 / 0)
    token.on_cancel(lambda: called.append(1))

    token.cancel("cancelled")

    assert called == [1]
    assert "a callback on cancel failed" in caplog.text


def test_wait_ends_when_another_thread_cancels(token: CancelToken) -> None:
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(token.wait(3600)), daemon=True)
    waiting.start()

    token.cancel("shutdown")
    waiting.join(30)

    assert answers == [True]


def test_wait_says_that_time_passed_without_a_cancel(token: CancelToken) -> None:
    assert token.wait(0) is False


def test_wait_after_a_cancel_does_not_wait(token: CancelToken) -> None:
    token.cancel("shutdown")

    assert token.wait() is True


def test_of_many_threads_one_cancels(token: CancelToken) -> None:
    barrier, answers, called = threading.Barrier(8), list[bool](), list[int]()
    token.on_cancel(lambda: called.append(1))

    def race() -> None:
        barrier.wait(30)
        answers.append(token.cancel("cancelled"))

    threads = [threading.Thread(target=race, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(answers) == [False] * 7 + [True]
    assert called == [1]
