"""The driver's errors in our words: what failed, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConstraintError,
    DatabaseError,
    DriverError,
    IncompleteCommit,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph.errors import InputError, KindredError, StoreError, StoreUnavailable
from graph.neo4j.wire.address import Address

_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_TIMED_OUT = ("Neo.ClientError.Transaction.TransactionTimedOut", "Neo.TransientError.Transaction.LockClientStopped")


class MovedUnderneath(StoreError):
    """Rows that were there are not: someone deleted them by hand in this very moment. The batch is tried again."""


def translated(error: BaseException, address: Address) -> KindredError:
    """The error of our tree for one of the driver's. No text of ours holds the password."""
    where = address.url
    code = getattr(error, "code", None) or ""
    if isinstance(error, AuthError):
        limited = code.endswith("AuthenticationRateLimit")
        return StoreUnavailable(
            "the graph database refused the log-in" + (": too many wrong passwords" if limited else ""),
            where=f"{where}, user {address.user}",
            remedy="Wait a few seconds, then correct KINDRED_NEO4J_PASSWORD."
            if limited
            else "Correct the user in KINDRED_STORE and the password in KINDRED_NEO4J_PASSWORD.",
        )
    if code == _NO_DATABASE:
        return StoreUnavailable(
            "the graph database has no such database",
            got=address.database,
            where=where,
            remedy="Name an existing one in KINDRED_STORE; a Community server has the one called neo4j.",
        )
    if code.startswith(_TIMED_OUT):
        return late(address, address.timeout_s)
    if isinstance(error, (ServiceUnavailable, SessionExpired, OSError)):
        return StoreUnavailable(
            "the graph database cannot be reached",
            where=where,
            remedy="Start it (make neo4j), or correct KINDRED_STORE.",
        )
    if isinstance(error, TransientError):
        return StoreUnavailable(f"the graph database is busy: {code}", where=where, remedy="Try again.")
    if isinstance(error, ConstraintError):
        return StoreError(
            "a hand edit got in the way of a write", where=where, remedy="Try again; see kindred graph check."
        )
    if isinstance(error, (ClientError, DatabaseError, Neo4jError)):
        return StoreError(f"the graph database failed: {code}: {error.message}", where=where)
    if isinstance(error, (ConfigurationError, ValueError, TypeError, OverflowError)):
        return InputError(f"a value cannot be stored: {type(error).__name__}", where=where)
    return StoreUnavailable(f"the graph database failed: {type(error).__name__}", where=where, remedy="Try again.")


def late(address: Address, seconds: float) -> StoreUnavailable:
    """The error for an answer that did not come in time."""
    return StoreUnavailable(
        f"the graph database did not answer within {seconds:g} s",
        where=address.url,
        remedy="Try again; see the server's log if it stays so.",
    )


def worth_another_try(error: BaseException) -> bool:
    """Whether the same transaction may pass when it is tried again.

    One whose commit was cut off may have passed: whoever writes finds that out by the token of its batch.
    """
    if isinstance(error, (ConstraintError, IncompleteCommit, MovedUnderneath)):
        return True  # a hand edit came in between, and is there to be found now
    return isinstance(error, (Neo4jError, DriverError)) and error.is_retryable()


@contextmanager
def in_our_words(address: Address) -> Iterator[None]:
    """A block whose driver errors come out as :class:`~graph.errors.StoreError` and below."""
    try:
        yield
    except (Neo4jError, DriverError, OSError) as error:
        if isinstance(error, KindredError):
            raise
        raise translated(error, address) from error
