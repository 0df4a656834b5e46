"""Copies of a SQLite file, which take as long as to copy a file in memory."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import URL

from ormolu.sqlite import MemoryFile, memory_file

__all__ = ["SQLiteCopies"]


class SQLiteCopies:
    """Copies of one file, each deleted with what belongs to it."""

    kind = "a copy of a SQLite file"

    def __init__(self, url: URL, fill: Callable[[URL], None]) -> None:
        """Make the template.

        Args:
            url: Of the application's database, whose options the copies have.
            fill: Makes and fills the tables at a URL.
        """
        self._url = url
        self._template = memory_file()
        self._taken: dict[URL, MemoryFile] = {}
        fill(url.set(database=self._template.path))
        with closing(sqlite3.connect(self._template.path)) as connection:
            # All of it in the one file that is copied.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def take(self) -> URL:
        """Return the URL of a copy."""
        file = memory_file()
        shutil.copyfile(self._template.path, file.path)
        url = self._url.set(database=file.path)
        self._taken[url] = file
        return url

    def give_back(self, url: URL) -> None:
        """Delete a copy."""
        del self._taken[url]

    def close(self) -> None:
        """Delete the template, with its object."""
