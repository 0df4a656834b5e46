"""Alembic's batch mode on `sqlite+ormolu`: tables are copied, and no row of others is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")

TABLES = (
    "CREATE TABLE labels (id INTEGER PRIMARY KEY, color VARCHAR(7), parent INT REFERENCES labels)",
    "CREATE TABLE task_labels (label_id INTEGER REFERENCES labels ON DELETE CASCADE)",
    "CREATE TABLE log (text VARCHAR(20))",
    "CREATE UNIQUE INDEX ix_color ON labels (color)",
    "CREATE INDEX ix_lower ON labels (lower(color))",
    "CREATE TRIGGER noted AFTER DELETE ON labels BEGIN INSERT INTO log VALUES (old.color); END",
    "CREATE VIEW reds AS SELECT id FROM labels WHERE color = 'red'",
    "INSERT INTO labels VALUES (1, 'red', NULL), (2, 'blue', 1)",
    "INSERT INTO task_labels VALUES (1), (2)",
)


@pytest.fixture(params=["auto", "immediate"])
async def engine(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    """An engine of labels with all that a table may have around it, begun in either way."""
    url = f"sqlite+ormolu:///{tmp_path}/test.db?begin={request.param}"
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in TABLES:
            await connection.exec_driver_sql(statement)
    yield engine
    await engine.dispose()


def altering(*before: str, transactional: bool = False) -> Callable[[sa.Connection], None]:
    """Return what makes the color longer by a batch, in the transaction of other statements."""

    def migrate(connection: sa.Connection) -> None:
        options = {"transactional_ddl": transactional}
        context = MigrationContext.configure(connection, opts=options)
        with context.begin_transaction():
            context.get_current_heads()
            for statement in before:
                connection.exec_driver_sql(statement)
            with Operations(context).batch_alter_table("labels") as batch:
                batch.alter_column("color", type_=sa.String(20))

    return migrate


async def run(engine: AsyncEngine, function: Callable[[sa.Connection], Any]) -> Any:
    async with engine.connect() as connection:
        result = await connection.run_sync(function)
        await connection.commit()
    return result


async def answer(engine: AsyncEngine, sql: str) -> Any:
    def ask(connection: sa.Connection) -> Any:
        result = connection.exec_driver_sql(sql)
        return result.scalar() if result.returns_rows else None

    return await run(engine, ask)


@pytest.mark.parametrize("transactional", [False, True])
async def test_batch_loses_no_row(engine: AsyncEngine, *, transactional: bool) -> None:
    """Rows that refer to the table stay, and those of the table; foreign keys are checked again."""
    await run(engine, altering(transactional=transactional))
    assert await answer(engine, "SELECT group_concat(label_id) FROM task_labels") == "1,2"
    assert await answer(engine, "SELECT group_concat(parent) FROM labels") == "1"
    assert "VARCHAR(20)" in await answer(
        engine, "SELECT sql FROM sqlite_schema WHERE name = 'labels'"
    )
    assert await answer(engine, "PRAGMA foreign_keys") == 1
    with pytest.raises(IntegrityError):
        await answer(engine, "INSERT INTO task_labels VALUES (99)")


async def test_batch_keeps_what_belongs_to_the_table(engine: AsyncEngine) -> None:
    """Triggers, views, and indexes of columns and of expressions are there afterwards."""
    names = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema ORDER BY name)"
    before = await answer(engine, names)
    await run(engine, altering())
    assert await answer(engine, names) == before
    await answer(engine, "DELETE FROM labels WHERE id = 2")
    assert await answer(engine, "SELECT text FROM log") == "blue"
    assert await answer(engine, "SELECT id FROM reds") == 1
    references = await answer(engine, "SELECT sql FROM sqlite_schema WHERE name = 'labels'")
    assert "REFERENCES labels" in references


@pytest.mark.parametrize("before", ["INSERT INTO log VALUES ('a')", "SAVEPOINT one"])
async def test_batch_after_a_write_is_refused(engine: AsyncEngine, before: str) -> None:
    """Foreign keys cannot be held off any more, so nothing is dropped, and the error says why."""
    with pytest.raises(OperationalError, match=r"rows of \w*labels refer to it.*ormolu db upgrade"):
        await run(engine, altering(before))
    assert await answer(engine, "SELECT count(*) FROM task_labels") == 2
    assert await answer(engine, "SELECT count(*) FROM log") == 0


async def test_batch_after_a_write_runs_where_nothing_is_lost(engine: AsyncEngine) -> None:
    """Without rows that refer to the table, or without foreign keys, there is nothing to refuse."""
    await run(engine, altering("DELETE FROM task_labels", "UPDATE labels SET parent = NULL"))
    assert await answer(engine, "SELECT count(*) FROM labels") == 2
    await answer(engine, "INSERT INTO task_labels VALUES (1)")
    url = engine.url.update_query_dict({"foreign_keys": "off"})
    unchecked = create_async_engine(url)
    await run(unchecked, altering("INSERT INTO log VALUES ('a')"))
    await unchecked.dispose()
    assert await answer(engine, "SELECT count(*) FROM task_labels") == 1


@pytest.mark.parametrize("end", ["by the driver", "by a statement"])
async def test_commit_checks_foreign_keys(engine: AsyncEngine, end: str) -> None:
    """A migration that leaves rows without what they refer to is rolled back, whole."""

    def migrate(connection: sa.Connection) -> None:
        altering()(connection)
        connection.exec_driver_sql("DELETE FROM labels WHERE id = 1")
        if end == "by a statement":
            connection.exec_driver_sql("COMMIT")

    with pytest.raises(DBAPIError, match="leaves rows of"):
        await run(engine, migrate)
    assert await answer(engine, "SELECT count(*) FROM labels") == 2
    assert await answer(engine, "PRAGMA foreign_keys") == 1


async def test_copy_by_the_first_statement(engine: AsyncEngine) -> None:
    """A copy before which nothing was read is a copy too."""

    def copy(connection: sa.Connection) -> None:
        for statement in (
            "CREATE TABLE _alembic_tmp_labels (id INTEGER PRIMARY KEY, color, parent)",
            "INSERT INTO _alembic_tmp_labels SELECT * FROM labels",
            "DROP TABLE labels",
            "ALTER TABLE _alembic_tmp_labels RENAME TO labels",
        ):
            connection.exec_driver_sql(statement)

    await run(engine, copy)
    assert await answer(engine, "SELECT count(*) FROM task_labels") == 2


async def test_old_violations_are_no_reason(engine: AsyncEngine) -> None:
    """Rows that referred to nothing before the migration do not keep it from its COMMIT."""
    url = engine.url.update_query_dict({"foreign_keys": "off"})
    unchecked = create_async_engine(url)
    await answer(unchecked, "INSERT INTO task_labels VALUES (99)")
    await unchecked.dispose()
    await run(engine, altering())
    assert await answer(engine, "SELECT count(*) FROM task_labels") == 3
