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

    assert (buffer.room, buffer.bearable) == (128, Buffer.MOST_FIRED)


def test_of_what_is_fired_here_more_is_held_than_is_claimed_ahead() -> None:
    buffer = Buffer(threads=8)
    buffer.ran(0.000_01)
    before = buffer.room_to_fire
    for _ in range(10):
        buffer.claimed(8, 8)
    quick = buffer.room_to_fire
    buffer.at_least(0.5)

    assert (before, quick, buffer.room_to_fire) == (0, Buffer.MOST_FIRED, 0)


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
