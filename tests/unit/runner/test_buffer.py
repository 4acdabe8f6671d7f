"""How many runs a node holds beyond its threads."""

from jobsched.runner.buffer import Buffer


def test_nothing_is_held_before_a_duration_is_known() -> None:
    buffer = Buffer(threads=8)
    buffer.claimed(8, 8)

    assert buffer.room == 0


def test_slow_handlers_leave_just_the_threads() -> None:
    buffer = Buffer(threads=8)
    for _ in range(20):
        buffer.ran(1.0)
        buffer.claimed(8, 8)

    assert buffer.room == 0


def test_fast_handlers_grow_it_while_claims_come_back_full_up_to_a_bound() -> None:
    buffer = Buffer(threads=8)
    buffer.ran(0.000_01)
    rooms = []
    for _ in range(10):
        buffer.claimed(8, 8)
        rooms.append(buffer.room)

    assert rooms[:3] == [8, 32, 128]
    assert rooms[-1] == Buffer.MOST


def test_claims_that_come_back_short_leave_it_for_the_next_burst() -> None:
    buffer = Buffer(threads=8)
    buffer.ran(0.000_01)
    for _ in range(3):
        buffer.claimed(8, 8)

    for count in (3, 0):
        buffer.claimed(count, 8)

    assert buffer.room == 128


def test_what_is_held_is_kept_though_less_would_be_claimed_now() -> None:
    buffer = Buffer(threads=8)
    for _ in range(3):
        buffer.claimed(8, 8)
    buffer.ran(0.0005)

    assert (buffer.room, buffer.bearable) == (128, Buffer.MOST)


def test_what_would_wait_a_tenth_of_a_second_is_not_kept() -> None:
    buffer = Buffer(threads=8)

    buffer.ran(0.1)

    assert buffer.bearable == 0


def test_one_slow_run_counts_at_once() -> None:
    buffer = Buffer(threads=8)
    buffer.ran(0.000_01)
    for _ in range(10):
        buffer.claimed(8, 8)

    buffer.ran(2.0)

    assert buffer.room == 0


def test_a_run_that_has_not_ended_counts_by_what_it_has_taken_already() -> None:
    buffer = Buffer(threads=8)
    buffer.ran(0.000_01)
    for _ in range(10):
        buffer.claimed(8, 8)

    buffer.at_least(0.5)
    buffer.at_least(0.1)

    assert buffer.room == 0


def test_a_quick_run_whose_thread_had_no_processor_for_a_while_has_nothing_given_back() -> None:
    buffer = Buffer(threads=8)
    for _ in range(1000):
        buffer.ran(0.000_05)
    for _ in range(10):
        buffer.claimed(8, 8)

    buffer.ran(0.2)

    assert buffer.room > Buffer.MOST / 2
    assert buffer.bearable == Buffer.MOST


def test_handlers_that_become_slow_leave_just_the_threads_before_many_have_ended() -> None:
    buffer = Buffer(threads=8)
    for _ in range(1000):
        buffer.ran(0.000_05)
    for _ in range(10):
        buffer.claimed(8, 8)

    for _ in range(100):
        buffer.ran(0.2)

    assert buffer.bearable <= 16
    assert buffer.room == 0


def test_two_slow_runs_of_each_thread_in_a_row_leave_just_the_threads() -> None:
    buffer = Buffer(threads=8)
    for _ in range(1000):
        buffer.ran(0.000_05)
    for _ in range(10):
        buffer.claimed(8, 8)

    for _ in range(16):
        buffer.ran(0.03)

    assert buffer.room == 0
    assert buffer.bearable < 20


def test_a_pause_of_the_whole_process_has_nothing_given_back() -> None:
    buffer = Buffer(threads=8)
    for _ in range(1000):
        buffer.ran(0.000_05)
    for _ in range(10):
        buffer.claimed(8, 8)

    for _ in range(8):
        buffer.ran(0.1)
    for _ in range(8):
        buffer.ran(0.000_05)

    assert buffer.room > 100
    assert buffer.bearable > Buffer.MOST - 100


def test_after_a_stall_a_few_quick_runs_have_it_grow_again() -> None:
    buffer = Buffer(threads=8)
    for _ in range(1000):
        buffer.ran(0.000_05)
    for _ in range(10):
        buffer.claimed(8, 8)

    buffer.at_least(0.1)
    stalled = buffer.room
    for _ in range(200):
        buffer.ran(0.000_05)

    assert (stalled, buffer.room > 8) == (0, True)
