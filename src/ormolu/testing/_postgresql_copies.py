"""Copies of a PostgreSQL database; the next one is made while a test runs."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from sqlalchemy import URL, make_url

from ormolu.testing._administrator import Administrator
from ormolu.testing._postgresql import postgresql, quoted

__all__ = ["PostgreSQLCopies"]

_NAME_LENGTH = 63


class PostgreSQLCopies:
    """Copies of one database, on the run's server or on one that was named."""

    def __init__(self, url: URL, fill: Callable[[URL], None], *, is_given: bool) -> None:
        """Make the template, and begin the first copy.

        Args:
            url: Of the application's database, or of the server that was named; the name in it is
                the beginning of those that are made, and its database is not touched.
            fill: Makes and fills the tables at a URL.
            is_given: Whether the URL is that of a server to use.
        """
        if is_given:
            self._url, maintained = url, url
            self._strategy = ""
            self.kind = "a copy of a PostgreSQL database on the server that was named"
        else:
            own = make_url(postgresql().url())
            # That server knows no TLS, and asyncpg asks it with each connection.
            plain = own.update_query_dict({"sslmode": "disable"})
            self._url, maintained = plain.set(drivername=url.drivername), own
            # Without its log of each page: the files of a new database are small.
            self._strategy = " STRATEGY FILE_COPY"
            self.kind = "a copy of a PostgreSQL database on a server of this run"
        self._administrator = Administrator(maintained.set(drivername=url.drivername))
        ending = f"_test_{uuid.uuid4().hex[:8]}"
        self._name = (url.database or "app")[: _NAME_LENGTH - len(ending) - 8] + ending
        self._numbers = itertools.count(1)
        self._administrator.execute(f"CREATE DATABASE {quoted(self._name)}{self._strategy}")
        fill(self._url.set(database=self._name))
        self._next = self._begin()

    def take(self) -> URL:
        """Return the URL of a copy, and begin the next."""
        name, made = self._next
        made.result()
        self._next = self._begin()
        return self._url.set(database=name)

    def give_back(self, url: URL) -> None:
        """Drop a copy in the background, whoever uses it."""
        self._administrator.submit(_drop(url.database or ""))

    def close(self) -> None:
        """Drop the template, and the copy that nobody took."""
        names = (self._next[0], self._name)
        self._administrator.execute(*map(_drop, names))
        self._administrator.close()

    def _begin(self) -> tuple[str, Future[list[Any]]]:
        name = f"{self._name}_{next(self._numbers)}"
        statement = f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(self._name)}"
        return name, self._administrator.submit(statement + self._strategy)


def _drop(name: str) -> str:
    return f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)"
