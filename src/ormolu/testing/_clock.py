"""A clock that stands still until a test moves it: Python's, and that of databases.

Python's is moved by time-machine. SQLite gets functions that ask Python, MariaDB is told the moment
by each connection. PostgreSQL has no such thing: a function `now` of the test's database goes
before its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import time_machine
from sqlalchemy import URL, Connection

from ormolu.backends import backend_named
from ormolu.engines import leave_trace
from ormolu.errors import NaiveDatetimeError
from ormolu.taps import FAULTS
from ormolu.testing._administrator import Administrator

__all__ = ["Clock", "frozen_clock"]

_KEY = "ormolu.clock"

# The value of a default is of the type that is asked for.
_REWRITE = r"""
DO $$
DECLARE each record;
BEGIN
  FOR each IN
    SELECT adrelid::regclass AS place, attname, regexp_replace(
      pg_get_expr(adbin, adrelid),
      '\m(now\(\)|transaction_timestamp\(\)|statement_timestamp\(\)|clock_timestamp\(\)'
      '|CURRENT_TIMESTAMP(\(\d\))?|LOCALTIMESTAMP(\(\d\))?|CURRENT_DATE)',
      'ormolu_clock.now()', 'g') AS written, pg_get_expr(adbin, adrelid) AS known
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE attgenerated = ''
  LOOP
    IF each.written <> each.known THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s',
                     each.place, each.attname, each.written);
    END IF;
  END LOOP;
  EXECUTE format('ALTER DATABASE %I SET search_path = %s, ormolu_clock, pg_catalog',
                 current_database(), current_setting('search_path'));
END $$
"""
_PREPARE = (
    "CREATE SCHEMA ormolu_clock",
    "CREATE TABLE ormolu_clock.moment (at timestamptz NOT NULL)",
    "CREATE FUNCTION ormolu_clock.now() RETURNS timestamptz LANGUAGE sql STABLE "
    "AS 'SELECT at FROM ormolu_clock.moment'",
    "GRANT USAGE ON SCHEMA ormolu_clock TO PUBLIC",
    "GRANT SELECT ON ormolu_clock.moment TO PUBLIC",
    "INSERT INTO ormolu_clock.moment VALUES ('{}')",
    _REWRITE,
)


class Timed(Protocol):
    """A database as it is asked where it is: a `Database`, or its engines."""

    @property
    def url(self) -> URL:
        """Return the URL."""
        raise NotImplementedError
        ...


class Clock:
    """Stands still until it is moved."""

    def __init__(self, coordinates: time_machine.Traveller) -> None:
        """Use a clock of Python's that is held.

        Args:
            coordinates: What moves it.
        """
        self._coordinates = coordinates
        self._servers: list[Administrator] = []

    @property
    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return datetime.now(UTC)

    def advance(self, by: timedelta) -> None:
        """Let time pass, for the program and for its databases."""
        self.move_to(self.now + by)

    def move_to(self, moment: datetime) -> None:
        """Set the clock.

        Raises:
            NaiveDatetimeError: The moment has no offset.
        """
        if moment.tzinfo is None:
            message = "A clock is set to an instant. Write datetime(2026, 1, 31, tzinfo=UTC)."
            raise NaiveDatetimeError(message)
        self._coordinates.move_to(moment.astimezone(UTC))
        for each in self._servers:
            each.execute(f"UPDATE ormolu_clock.moment SET at = '{moment.isoformat()}'")

    def keep(self, url: URL) -> Administrator:
        """Prepare a database of PostgreSQL's, whose sessions begin later."""
        server = Administrator(url)
        self._servers.append(server)
        prepare = (each.replace("{}", self.now.isoformat()) for each in _PREPARE)
        server.execute(*prepare)
        return server


@contextmanager
def frozen_clock(*databases: Timed) -> Iterator[Clock]:
    """Stop the clock within the block, and give what moves it.

    Python's clock stops for the whole process; timers and timeouts of an event loop go on. Of
    databases `func.now()` and the server defaults that are made of it stop: on SQLite and MariaDB
    of all, on PostgreSQL of those that are named, and of no other function.

    Args:
        databases: Those on PostgreSQL, which nobody may have opened yet. They are changed: give
            those of a test alone.
    """
    setter = _Setter()
    with ExitStack() as stack:
        travel = time_machine.travel(datetime.now(UTC), tick=False)
        clock = Clock(stack.enter_context(travel))
        for each in databases:
            if backend_named(each.url.get_backend_name()).title == "PostgreSQL":
                stack.callback(clock.keep(each.url).close)
        FAULTS.append(setter)
        stack.callback(FAULTS.remove, setter)
        yield clock


class _Setter:
    """Tells each connection the moment, before its statements."""

    def before_statement(self, cursor: Any, sql: str, connection: Connection) -> None:
        """Tell it, where it does not know."""
        del sql
        tell = _TELLERS.get(connection.dialect.name)
        if tell is not None:
            tell(cursor, connection)

    def before_commit(self, connection: Connection) -> None:
        """Do nothing."""


def _tell_mysql(cursor: Any, connection: Connection) -> None:
    moment = datetime.now(UTC).timestamp()
    if connection.info.get(_KEY) != moment:
        cursor.execute(f"SET TIMESTAMP = {moment:.6f}")
        connection.info[_KEY] = moment
        leave_trace(connection)


def _tell_sqlite(_cursor: Any, connection: Connection) -> None:
    if _KEY not in connection.info:
        driver: Any = connection.connection.dbapi_connection
        for name, form in _FUNCTIONS.items():
            driver.create_function(name, 0, _written(form))
        connection.info[_KEY] = True


def _written(form: str) -> Callable[[], str]:
    return lambda: datetime.now(UTC).strftime(form)


_FUNCTIONS = {
    "current_timestamp": "%Y-%m-%d %H:%M:%S",
    "current_date": "%Y-%m-%d",
    "current_time": "%H:%M:%S",
}
_TELLERS: dict[str, Callable[[Any, Connection], None]] = {
    "sqlite": _tell_sqlite,
    "mysql": _tell_mysql,
    "mariadb": _tell_mysql,
}
