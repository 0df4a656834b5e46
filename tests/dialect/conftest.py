"""Engines on `sqlite+ormolu` as a program without the rest of Ormolu makes them."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# SQLAlchemy's own suite runs in a process of its own.
collect_ignore = ["suite"]

Make = Callable[..., AsyncEngine]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database file."""
    return tmp_path / "test.db"


@pytest.fixture
async def make(path: Path) -> AsyncIterator[Make]:
    """A function that makes an engine on the file, with options in its URL; all are disposed."""
    engines: list[AsyncEngine] = []

    def make_engine(query: str = "", **options: Any) -> AsyncEngine:
        engines.append(create_async_engine(f"sqlite+ormolu:///{path}{query}", **options))
        return engines[-1]

    yield make_engine
    for engine in engines:
        await engine.dispose()


@pytest.fixture
async def engine(make: Make) -> AsyncEngine:
    """An engine on a file with the table `t (id, n)` and the row (1, 0)."""
    engine = make()
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        await connection.exec_driver_sql("INSERT INTO t VALUES (1, 0)")
    return engine


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program, which does not wait for a lock."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    yield connection
    connection.close()
