"""The first connection to a database: what is wrong with the URL shows in it."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.errors import ConfigurationError, DatabaseDownError, OverloadedError
from ormolu.faults import fault_of
from ormolu.limits import Limit

__all__ = ["check_connection"]

# Seconds within which it must be there.
_CONNECT_TIMEOUT = 5.0


async def check_connection(engine: AsyncEngine) -> None:
    """Open a connection, or say why that fails.

    Raises:
        ConfigurationError: A pooler refuses our settings.
        DBAPIError: The driver says something else.
        DatabaseDownError: The database does not answer.
    """
    try:
        async with Limit(_CONNECT_TIMEOUT):
            await _connect_patiently(engine)
    except TimeoutError as error:
        message = f"The database did not answer within {_CONNECT_TIMEOUT} s. Is the URL right?"
        raise DatabaseDownError(message) from error
    except DBAPIError as error:
        fault = fault_of(error)
        if fault.kind == "pooler":
            message = (
                "There is a pooler such as PgBouncer before this database, which refuses settings "
                'of a connection. Write: Database(url, pooler="transaction")'
            )
            raise ConfigurationError(message) from error
        if fault.kind not in {"database_unavailable", "overloaded"}:
            raise
        message = f"The database does not accept our connections ({fault}). Is the URL right?"
        raise DatabaseDownError(message) from error


async def _connect_patiently(engine: AsyncEngine) -> None:
    while True:
        try:
            async with engine.connect():
                return
        except OverloadedError:
            # Another worker holds an exclusive lock on the file, as it does to switch to WAL.
            continue
