"""The collector of cycles rests, and never for good."""

import gc
from collections.abc import Iterator

import pytest

from jobsched.cycles import not_looked_for


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_rests_meanwhile_and_works_again_after_an_error() -> None:
    def failing() -> None:
        with not_looked_for():
            assert not gc.isenabled()
            raise LookupError

    with pytest.raises(LookupError):
        failing()

    assert gc.isenabled()


def test_within_another_rest_nothing_is_ended() -> None:
    with not_looked_for():
        with not_looked_for():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()


def test_what_a_program_has_turned_off_stays_off() -> None:
    gc.disable()

    with not_looked_for():
        pass

    assert not gc.isenabled()
