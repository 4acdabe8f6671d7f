"""PostgreSQL's errors, told as the port's: what may pass, what will not, and what may have happened all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobsched.errors import OutcomeUnknownError, SchemaError, StoreBrokenError, StoreError, StoreUnavailableError

#: Classes of codes: connection, rollback (deadlock, serialization), resources, operator intervention.
_PASSING_CLASSES = frozenset({"08", "40", "53", "57"})
#: lock_not_available, idle_in_transaction and transaction timeouts, read_only (a server that is no longer the primary).
_PASSING_CODES = frozenset({"55P03", "25P03", "25P04", "25006"})
#: Deadlock, serialization; and a line of log whose run was pruned meanwhile (there is no other foreign key).
_LOST_RACE_CODES = frozenset({"40P01", "40001", "23503"})
READ_ONLY = "25006"

_LACKS_RIGHTS = (
    "the role of the database's URL lacks that right: tables are made by their owner (jobsched db upgrade), "
    "and what nodes and readers need is granted as docs/production.md says"
)
#: An attempt to connect has no code, only the server's words; these do not pass by waiting.
_FINAL_WORDS = (
    "does not exist",
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "could not translate host name",
    "failed to resolve host",
    "Name or service not known",
    "is not permitted to log in",
    "permission denied for database",
    "certificate verify failed",
    "root certificate file",
    "server does not support SSL",
    "invalid sslmode",
    "invalid connection option",
    "unsupported startup parameter",
)


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE; None where the server did not answer, or not while connecting."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)


def lost_race(error: BaseException) -> bool:
    """Nothing was done, and the same transaction is worth making again at once."""
    return code_of(error) in _LOST_RACE_CODES


def is_retryable(error: BaseException) -> bool:
    """The same may succeed later."""
    code = code_of(error)
    if code is not None:
        return code[:2] in _PASSING_CLASSES or code in _PASSING_CODES
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, psycopg.OperationalError)) and not _is_final(str(error))


def _is_final(words: str) -> bool:
    return any(final in words for final in _FINAL_WORDS)


def connection_lost(error: BaseException) -> bool:
    """The server, or the way to it, went away in the middle: what was sent may have been done."""
    code = code_of(error)
    return (
        (code is None and isinstance(error, (OperationalError, psycopg.OperationalError)))
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
        or (code is not None and (code[:2] == "08" or code in ("57P01", "57P02", "57P03")))
    )


class NotSentError(Exception):
    """The connection went before the statement itself was sent: nothing was done, so another one may be asked."""

    def __init__(self, lost: psycopg.Error) -> None:
        super().__init__(str(lost))
        self.lost = lost


@contextmanager
def before_sending() -> Iterator[None]:
    """What is asked of the server first, which changes nothing. Raises NotSentError for a lost connection."""
    try:
        yield
    except psycopg.Error as error:
        if connection_lost(error):
            raise NotSentError(error) from error
        raise


class translated:  # noqa: N801 - it reads as the function that it was; a generator takes longer, and stands in the way of each claim
    """Raise the port's errors for the driver's."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        where = self._where
        if isinstance(error, PoolTimeoutError):
            raise StoreUnavailableError(f"{where}: all connections of this process were busy for too long") from error
        if isinstance(error, DBAPIError | psycopg.Error):
            raise told(where, error) from error
        if isinstance(error, UnicodeEncodeError | OverflowError):
            raise StoreError(f"{where}: a value cannot be stored: {error}") from error


def told(where: str, error: DBAPIError | psycopg.Error) -> StoreError:
    """The port's error for a driver's, in the server's words."""
    words, code = _words(error), code_of(error)
    if code == "53100":
        return StoreUnavailableError(f"{where}: {words}; the server's disk is full: make room there")
    if is_retryable(error):
        return StoreUnavailableError(f"{where} is not available: {words}")
    if code == "42P01":
        return SchemaError(f"{where} has no schema yet ({words}); run: jobsched db upgrade")
    if code == "42501":
        return StoreBrokenError(f"{where} refused: {words.partition(';')[0]} (SQLSTATE {code}); {_LACKS_RIGHTS}")
    if code is None and isinstance(error, (OperationalError, psycopg.OperationalError)):
        return StoreBrokenError(
            f"cannot connect to {where}: {words}; check user, password and name in the database URL"
        )
    return StoreError(f"{where} refused: {words}" + (f" (SQLSTATE {code})" if code else ""))


def outcome_unknown(where: str, error: BaseException) -> OutcomeUnknownError:
    """The connection went with the answer to a commit."""
    return OutcomeUnknownError(
        f"{where} did not answer whether it committed ({_words(error)}); look before you repeat it"
    )


def _words(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return "; ".join(lines) or type(cause).__name__
