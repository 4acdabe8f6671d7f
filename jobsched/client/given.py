"""What a caller gives by hand, looked at before a database is asked: each of them would refuse it in its own words, or guess."""

from collections.abc import Iterable
from datetime import timedelta
from operator import index

from jobsched.model.durations import parse_duration
from jobsched.model.names import LONGEST_NAME, is_name
from jobsched.model.text import storable

#: The highest number that a run can have, and so of how many can be asked.
LARGEST_ID = 2**63 - 1


def id_of_run(given: object) -> int:
    """The number of a run. Raises TypeError if it is none, as the run itself, or what `enqueue` returns."""
    if type(given) is int:
        return given
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        hint = ": give its id, as made.id" if hasattr(given, "id") else ", which is a whole number"
        raise TypeError(f"{given!r:.80} is no id of a run{hint}")
    return index(given)


def ids_of_runs(given: Iterable[int]) -> list[int]:
    """The numbers of many, in their order; one that is given twice counts once. Raises TypeError as `id_of_run`, and on one alone."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(f"{given!r:.80} is no list of ids of runs")
    return list(dict.fromkeys(id_of_run(one) for one in given))


def namespace_of(given: object) -> str:
    """The name of a namespace. Raises ValueError for what no file can name: no node would serve it."""
    if not isinstance(given, str) or not is_name(given):
        raise ValueError(
            f"namespace={given!r:.80} is no name: use letters, digits, '.', '_' and '-', beginning with a letter or digit, "
            f"at most {LONGEST_NAME}"
        )
    return given


def name_of_job(given: object) -> str:
    """The name of a job. Raises TypeError if it is no text, as the function that the job runs."""
    if not isinstance(given, str):
        raise TypeError(f"{given!r:.80} is no name of a job: give it as it stands in jobs.yaml")
    return given


def names_of_jobs(given: Iterable[str]) -> list[str]:
    """The names of many. Raises TypeError as `name_of_job`, and on one alone."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{given!r:.80} is no list of names of jobs")
    return [name_of_job(one) for one in given]


def is_possible(run_id: int) -> bool:
    """Whether there can be such a run at all: databases refuse to look for what has no place in their numbers."""
    return 0 <= run_id <= LARGEST_ID


def as_timeout(given: timedelta | float | str | None) -> timedelta | None:
    """How long somebody is ready to wait. Raises ValueError."""
    return None if given is None else as_time("timeout", given)


def as_time(name: str, given: timedelta | float | str) -> timedelta:
    """A timedelta, seconds, or text like `10m`. Raises ValueError that begins with this name."""
    if isinstance(given, timedelta):
        return given
    try:
        return parse_duration(given)
    except ValueError as error:
        raise ValueError(f"{name}={given!r}: {error}") from None


def as_limit(given: int) -> int:
    """How many are asked for. Raises ValueError."""
    if type(given) is not int or not 0 <= given <= LARGEST_ID:
        raise ValueError(f"limit={given!r} is no whole number from 0 to {LARGEST_ID}")
    return given


def can_be_found(**texts: str | None) -> bool:
    """Whether a row can have all these texts: what no database can keep no row has. Raises TypeError on what is no text."""
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name}={text!r:.80} is no text: give one name")
    return all(text is None or storable(text) == text for text in texts.values())
