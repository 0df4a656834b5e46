"""Databases on a real disk, one for each program: filled, and counted."""

from __future__ import annotations

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psycopg

from bench._tables import Table
from tests.backends import PostgreSQL

__all__ = ["Database", "DurablePostgreSQL", "create_database", "disk_folder", "start_postgresql"]

_FILL = {
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {last})",
        "numbers",
    ),
    "postgresql": ("", "generate_series(1, {last}) AS numbers(n)"),
}
_COUNT = "SELECT count(*) FROM {}"
_MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


class DurablePostgreSQL(PostgreSQL):
    """The tests' server with PostgreSQL's own durability, in a folder on a disk."""

    settings: ClassVar[Mapping[str, str]] = {
        "fsync": "on",
        "full_page_writes": "on",
        "listen_addresses": "127.0.0.1",
        "max_connections": "300",
        "shared_buffers": "128MB",
        "synchronous_commit": "on",
    }

    def __init__(self, folder: Path) -> None:
        self._disk = folder
        super().__init__()

    def place(self) -> Path:
        return self._disk


class Database(ABC):
    """One program's tables."""

    backend: str

    @abstractmethod
    def url(self, sqlite: str) -> str:
        """Return its URL; `sqlite` is the scheme that a program has for SQLite."""

    @abstractmethod
    def execute(self, *statements: str) -> None:
        """Execute statements and commit."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Return how many rows a table has."""

    @abstractmethod
    def version(self) -> str:
        """Return the version of what stores."""

    def fill(self, tables: Iterable[Table]) -> None:
        """Fill the tables that the program has made."""
        filled = list(tables)
        self.execute(*map(self._insert, filled), *self._afterwards(filled))

    def _insert(self, table: Table) -> str:
        head, source = (text.format(last=table.rows) for text in _FILL[self.backend])
        return f"{head} INSERT INTO {table.target} SELECT {table.values} FROM {source}"

    def _afterwards(self, _filled: Iterable[Table]) -> list[str]:
        return ["ANALYZE"]


@dataclass(frozen=True)
class _SQLite(Database):
    path: Path
    backend = "sqlite"

    def url(self, sqlite: str) -> str:
        return f"{sqlite}:///{self.path}"

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            (number,) = connection.execute(_COUNT.format(table)).fetchone()
        return int(number)

    def version(self) -> str:
        return sqlite3.sqlite_version


@dataclass(frozen=True)
class _OnPostgreSQL(Database):
    server: PostgreSQL
    name: str
    backend = "postgresql"

    def url(self, sqlite: str) -> str:
        return self.server.url(self.name, "asyncpg")

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self._plain_url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def count(self, table: str) -> int:
        with psycopg.connect(self._plain_url()) as connection:
            found = connection.execute(_COUNT.format(table).encode()).fetchone()
        return int(found[0]) if found else 0

    def version(self) -> str:
        with psycopg.connect(self._plain_url()) as connection:
            number = connection.info.server_version
        return f"{number // 10_000}.{number % 10_000}"

    def _plain_url(self) -> str:
        return self.server.url(self.name, "psycopg").replace("+psycopg", "")

    def _afterwards(self, filled: Iterable[Table]) -> list[str]:
        restart = "SELECT setval(pg_get_serial_sequence('{0}', 'id'), max(id)) FROM {0}"
        return [*(restart.format(table.name) for table in filled), "VACUUM ANALYZE"]


def create_database(backend: str, name: str, folder: Path, server: PostgreSQL | None) -> Database:
    """Return an empty database, without tables."""
    if server is None or backend == "sqlite":
        return _SQLite(folder / f"{name}.db")
    server.create_database(name)
    return _OnPostgreSQL(server, name)


@contextmanager
def start_postgresql(folder: Path) -> Iterator[DurablePostgreSQL]:
    """Run a PostgreSQL on the cores of this thread."""
    with ExitStack() as stack:
        server = DurablePostgreSQL(folder)
        stack.callback(server.remove)
        server.start()
        stack.callback(server.stop)
        yield server


def disk_folder(wanted: Path | None) -> Path:
    """Return a folder on a disk: in memory nothing is durable, and a sync costs nothing.

    Raises:
        SystemExit: There is none.
    """
    candidates = [wanted] if wanted else [Path(tempfile.gettempdir()), Path("/var", "tmp")]
    for folder in candidates:
        if folder.is_dir() and _file_system(folder) not in _MEMORY_FILE_SYSTEMS:
            return folder
    names = ", ".join(map(str, candidates))
    message = f"{names}: in memory, or no folder. Name one on a disk: --folder PATH"
    raise SystemExit(message)


def _file_system(folder: Path) -> str:
    found, kind = Path("/"), ""
    for line in Path("/proc/mounts").read_text().splitlines():
        mounted, its_kind = line.split()[1:3]
        place = Path(mounted)
        if folder.resolve().is_relative_to(place) and place.is_relative_to(found):
            found, kind = place, its_kind
    return kind
