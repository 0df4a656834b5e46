"""What was bound to statements does not stay in memory with them, however many there were."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from ormolu import Database
from ormolu.sqlite._bindings import Bindings, size_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]

LONG = "x" * 500_000


class Counted(sqlite3.Connection):
    """Notes the statements that take the places of others."""

    fillers = 0

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("SELECT ") and sql.removeprefix("SELECT ").isdigit():
            Counted.fillers += 1
        return super().execute(sql, *parameters)


@pytest.fixture(autouse=True)
def _begin_anew() -> None:
    Counted.fillers = 0


def engine_of(path: Path, **arguments: Any) -> Any:
    return create_async_engine(
        f"sqlite+ormolu:///{path / 'some.db'}", connect_args={"factory": Counted, **arguments}
    )


@pytest.mark.long
@pytest.mark.parametrize(("arguments", "cached"), [({}, 128), ({"cached_statements": 20}, 20)])
async def test_long_values_are_let_go(
    tmp_path: Path, arguments: dict[str, Any], cached: int
) -> None:
    """Of reads, of writes of one row and of many, and of streams."""
    engine = engine_of(tmp_path, **arguments)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (a, b)"))
        for number in range(20):
            row = {f"v{number}": LONG}
            await connection.execute(text(f"SELECT {number} AS n WHERE :v{number} = ''"), row)
        assert Counted.fillers == 2 * cached
        for number in range(20):
            rows = [{"v": LONG, "w": number}] * 2
            await connection.execute(text(f"INSERT INTO t VALUES (:v, :w + {number})"), rows)
        assert Counted.fillers == 4 * cached
        for number in range(20):
            statement = text(f"SELECT b + {number} FROM t WHERE a = :v")
            async with connection.stream(statement, {"v": LONG}) as found:
                assert len(await found.fetchall()) == 40
        assert Counted.fillers == 6 * cached
    await engine.dispose()


@pytest.mark.long
async def test_short_values_are_none_of_it(tmp_path: Path) -> None:
    """However often a statement is sent."""
    engine = engine_of(tmp_path)
    async with engine.connect() as connection:
        for number in range(600):
            await connection.execute(text("SELECT :v + 0"), {"v": "1" * 10_000})
            await connection.execute(text("SELECT :v + 0"), {"v": number})
    assert not Counted.fillers
    await engine.dispose()


async def test_an_error_is_that_of_the_statement(tmp_path: Path) -> None:
    """Also where others cannot take its place."""
    sqlite = sqlite3.connect(":memory:")

    def fail(connection: Any) -> None:
        connection.close()
        message = "of its own"
        raise ValueError(message)

    with pytest.raises(ValueError, match="of its own"):
        Bindings(128).releasing(fail, 2**30)(sqlite)


def test_the_size_of_values_is_that_of_texts_and_bytes() -> None:
    """By name or by place."""
    assert size_of((1, None, "ab", b"c", 2.5)) == size_of({"a": "abc", "b": 1}) == 3
    assert not size_of(())


async def test_statements_of_one_kind_do_not_add_up(tmp_path: Path) -> None:
    """A database of a program's own has them too."""
    db = Database(f"sqlite:///{tmp_path / 'some.db'}", connect_args={"factory": Counted})
    async with db, db.unit_of_work() as session:
        for number in range(10):
            await session.execute(text(f"SELECT {number} AS n WHERE :v = ''"), {"v": LONG})
    assert Counted.fillers == 128
