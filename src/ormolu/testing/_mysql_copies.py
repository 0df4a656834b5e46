"""Copies of a MariaDB or MySQL database, table by table: they have no templates."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable

from sqlalchemy import URL

from ormolu.testing._administrator import Administrator

__all__ = ["MySQLCopies"]

_NAME_LENGTH = 64
_PLAIN_COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND "
    "table_name = '{}' AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position"
)
_USERS = "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> connection_id()"


class MySQLCopies:
    """Copies of one database, on the server that was named."""

    kind = "a copy of a database on the server that was named"

    def __init__(self, url: URL, fill: Callable[[URL], None]) -> None:
        """Make the template.

        Args:
            url: Of the server; the name in it is the beginning of those that are made, and its
                database is not touched.
            fill: Makes and fills the tables at a URL.
        """
        self._url = url
        self._administrator = Administrator(self._url)
        ending = f"_test_{uuid.uuid4().hex[:8]}"
        self._name = (url.database or "app")[: _NAME_LENGTH - len(ending) - 8] + ending
        self._numbers = itertools.count(1)
        self._administrator.execute(f"CREATE DATABASE {_quoted(self._name)}")
        fill(self._url.set(database=self._name))
        self._statements = self._read()

    def _read(self) -> list[str]:
        """Return the statements that make a copy, within it."""
        ask, name = self._administrator.execute, self._name
        tables = [row[0] for row in ask(f"SHOW FULL TABLES IN {_quoted(name)}") if "BASE" in row[1]]
        made, filled = [], []
        for table in tables:
            place = f"{_quoted(name)}.{_quoted(table)}"
            made.append(ask(f"SHOW CREATE TABLE {place}")[0][1])
            if ask(f"SELECT 1 FROM {place} LIMIT 1"):
                columns = ", ".join(
                    _quoted(row[0]) for row in ask(_PLAIN_COLUMNS.format(name, table))
                )
                filled.append(
                    f"INSERT INTO {_quoted(table)} ({columns}) SELECT {columns} FROM {place}"
                )
        return [*made, *filled, *self._read_triggers()]

    def _read_triggers(self) -> list[str]:
        ask = self._administrator.execute
        names = [row[0] for row in ask(f"SHOW TRIGGERS IN {_quoted(self._name)}")]
        place = _quoted(self._name)
        return [
            re.sub(r"^CREATE DEFINER=\S+ ", "CREATE ", row[2])
            for name in names
            for row in ask(f"SHOW CREATE TRIGGER {place}.{_quoted(name)}")
        ]

    def take(self) -> URL:
        """Return the URL of a copy."""
        name = f"{self._name}_{next(self._numbers)}"
        self._administrator.execute(
            f"CREATE DATABASE {_quoted(name)}",
            f"USE {_quoted(name)}",
            "SET foreign_key_checks = 0",
            *self._statements,
            "SET foreign_key_checks = 1",
            f"USE {_quoted(self._name)}",
        )
        return self._url.set(database=name)

    def give_back(self, url: URL) -> None:
        """End whoever uses a copy, for whom dropping it would wait, and drop it."""
        name = url.database or ""
        users = self._administrator.execute(_USERS.format(name))
        kills = [f"KILL {row[0]}" for row in users]
        self._administrator.submit(*kills, _drop(name))

    def close(self) -> None:
        """Drop the template."""
        self._administrator.execute(_drop(self._name))
        self._administrator.close()


def _drop(name: str) -> str:
    return f"DROP DATABASE IF EXISTS {_quoted(name)}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
