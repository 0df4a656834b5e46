"""Server defaults: what a revision makes of them, beside what SQLAlchemy makes in a new table."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import Column, Integer, MetaData, String, Table, func, text
from sqlalchemy.dialects import postgresql

from ormolu import Model
from tests.migrations.conftest import Project

NAMES = Model.metadata.naming_convention

# What a column's default is before, and after.
TEXTS: dict[str, tuple[Any, Any]] = {
    "apostrophe": ("it's", "'"),
    "quoted": ("'quoted'", '"quoted"'),
    "backslash": ("a\\b", "\\'"),
    "percent": ("100%", "%s %(a)s %%"),
    "colon": (":name", "a::b :c"),
    "json": ('{"a":true}', '{"a": "it\'s"}'),
    "empty": ("", " "),
    "digits": ("1", "01"),
    "case": ("a", "A"),
    "word": ("NULL", "now()"),
    "literal": (text("'it''s \\:x'"), text("'it''s \\:y 100%'")),
    "function": (func.lower("It's"), func.upper("It's :a")),
    "cast": (sa.cast("it's", String(20)), sa.cast("100%", String(20))),
    "joined": (text("('a' || 'b')"), text("('a' || '(c')")),
}

OTHERS: dict[str, tuple[Any, Any, Any]] = {
    "number": (Integer(), "1", "2"),
    "negative": (Integer(), "-1", text("-2")),
    "sum": (Integer(), text("(1+1)"), text("(1+2)")),
    "amount": (sa.Numeric(6, 2), "1.50", text("2.5")),
    "flag": (sa.Boolean(), sa.true(), sa.false()),
    "document": (sa.JSON(), '{"a":true}', '{"a": "it\'s"}'),
    "moment": (sa.DateTime(), "2026-01-01 10:00:00", "2026-01-01 10:00:01"),
}

OF_POSTGRESQL: dict[str, tuple[Any, Any, Any]] = {
    "binary": (postgresql.JSONB(), text("'{\"a\"\\:true}'::jsonb"), text("'{\"b\": \"it''s\"}'")),
    "words": (postgresql.ARRAY(String), text("ARRAY['it''s']"), text("'{a,b}'::varchar[]")),
    "span": (postgresql.INTERVAL(), text("'1 day'"), text("'2 days'::interval")),
}


def tables(number: int, *, only_mapped: bool = True, is_postgresql: bool = False) -> MetaData:
    """Return a table whose defaults are those before (0) or after (1), and one to compare with."""
    kinds = {name: (String(40), *pair) for name, pair in TEXTS.items()} | OTHERS
    if is_postgresql:
        kinds |= OF_POSTGRESQL
    metadata = MetaData(naming_convention=NAMES)
    for table in ("notes",) if only_mapped else ("notes", "made"):
        columns: list[Column[Any]] = [
            Column(name, kind, server_default=defaults[number])
            for name, (kind, *defaults) in kinds.items()
        ]
        Table(table, metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


async def assert_defaults(project: Project, number: int, *, is_postgresql: bool) -> None:
    """Compare a new row with that of a table which SQLAlchemy makes."""
    metadata = tables(number, only_mapped=False, is_postgresql=is_postgresql)
    notes, made = metadata.tables["notes"], metadata.tables["made"]
    async with project.database(metadata) as db, db.engine.begin() as connection:
        await connection.run_sync(made.create)
        rows = []
        for table in (notes, made):
            await connection.execute(sa.delete(table))
            await connection.execute(sa.insert(table).values(id=1))
            rows.append((await connection.execute(sa.select(table))).one()._asdict())
        await connection.run_sync(made.drop)
    assert rows[0] == rows[1]


@pytest.mark.long
async def test_defaults_there_and_back(project: Project) -> None:
    """Each is what SQLAlchemy makes of it; one that stays is no change, one that changed is."""
    options = {"is_postgresql": project.url.startswith("postgresql")}
    before, after = tables(0, **options), tables(1, **options)
    await project.revise(before)
    await project.migrations(before).check()
    await assert_defaults(project, 0, **options)
    with pytest.raises(CommandError) as caught:
        await project.migrations(after).check()
    for name in after.tables["notes"].c.keys()[1:]:
        assert f"'{name}'" in str(caught.value), name
    path = await project.revise(after)
    await project.migrations(after).check()
    await assert_defaults(project, 1, **options)
    await project.migrations(after).downgrade("-1")
    path.unlink()
    await project.migrations(before).check()
    await assert_defaults(project, 0, **options)


def one(kind: Any, default: Any) -> MetaData:
    """Return a table with one column that has a default."""
    metadata = MetaData(naming_convention=NAMES)
    Table("notes", metadata, Column("id", Integer, primary_key=True),
          Column("value", kind, server_default=default))  # fmt: skip
    return metadata


@pytest.mark.long
async def test_default_changes_with_its_type(project: Project) -> None:
    """A value that the old type cannot have is a change."""
    before, after = one(Integer(), "1"), one(String(9), "it's")
    await project.revise(before)
    await project.revise(after)
    await project.migrations(after).check()
    await project.ask("INSERT INTO notes (id) VALUES (1)")
    assert await project.ask("SELECT value FROM notes") == "it's"


@pytest.mark.backends("asyncpg", "psycopg")
async def test_default_of_what_is_not_there_is_a_change(project: Project) -> None:
    """The revision that has it fails, and names it; nothing is left out without a word."""
    await project.revise(one(Integer(), "1"))
    with pytest.raises(CommandError, match="'value'"):
        await project.migrations(one(Integer(), text("made_by_a_later_revision()"))).check()


@pytest.mark.long
async def test_default_that_comes_or_goes_is_a_change(project: Project) -> None:
    """One that is new, and one that is gone."""
    for default in (None, "it's 100% \\:x", None):
        await project.revise(one(String(40), default))
        await project.migrations(one(String(40), default)).check()
    await project.ask("INSERT INTO notes (id) VALUES (1)")
    assert await project.ask("SELECT value FROM notes") is None


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after", "default", "other"),
    [
        (Integer(), sa.BigInteger(), "4", "5"),
        (Integer(), sa.Numeric(8, 2), "-4", "4"),
        (String(9), String(40), "it's :a", "it''s :a"),
        (sa.Boolean(), sa.Boolean(), "1", "0"),
        (sa.Date(), sa.DateTime(), "2026-01-01", "2026-01-02"),
    ],
    ids=str,
)
async def test_default_stays_when_its_type_changes(
    project: Project, before: Any, after: Any, default: str, other: str
) -> None:
    """The database may write it in other words; it is the same, there and back."""
    await project.revise(one(before, default))
    await project.migrations(one(after, default)).revision("type")
    await project.migrations(one(after, default)).upgrade()
    await project.migrations(one(after, default)).check()
    with pytest.raises(CommandError, match="'value'"):
        await project.migrations(one(after, other)).check()


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_column_without_a_type_has_its_default(project: Project) -> None:
    """SQLite needs none, and SQLAlchemy then knows none; that of the model is taken."""
    await project.revise(MetaData())
    await project.ask("CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, value DEFAULT 'it''s')")
    await project.migrations(one(String(9), "it's")).check()
    with pytest.raises(CommandError, match="'value'"):
        await project.migrations(one(String(9), "its")).check()
