"""What the random pairs of schemas have found: each kind once more, by name."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Computed, Enum, Integer, MetaData, String, Table, UniqueConstraint

from tests.fixtures.backends import Backend
from tests.migrations.conftest import Project
from tests.migrations.round_trip import Made, of_server, try_pairs
from tests.migrations.test_changes import make_filled, name, users


@pytest.mark.long
async def test_two_columns_of_a_table_are_renamed(project: Project) -> None:
    """There and back, with the defaults of the server."""
    more = Column("kind", String(9), server_default="a", nullable=False)
    await make_filled(project, users(name(), more))
    kind = Column("sort", String(9), server_default="a", nullable=False)
    after = users(name("full_name"), kind)
    renames = {"users.name": "full_name", "users.kind": "sort"}
    await project.migrations(after).revision("rename", renames=renames)
    await project.migrations(after).upgrade()
    await project.migrations(after).check()
    await project.ask("INSERT INTO users (id, full_name) VALUES (2, 'Bob')")
    assert await project.ask("SELECT sort FROM users WHERE id = 2") == "a"
    await project.migrations(after).downgrade("-1")
    assert await project.ask("SELECT kind FROM users WHERE id = 2") == "a"


@pytest.mark.long
async def test_nulls_get_the_default_of_the_server(project: Project) -> None:
    """It is no value of rows that are there, so they are given it before the column is NOT NULL."""
    await make_filled(project, users(name(), Column("kind", String(9), server_default="a:b")))
    await project.ask("UPDATE users SET kind = NULL")
    after = users(name(), Column("kind", String(9), server_default="a:b", nullable=False))
    await project.revise(after)
    await project.migrations(after).check()
    assert await project.ask("SELECT kind FROM users") == "a:b"


@pytest.mark.long
async def test_downgrade_brings_a_required_column_back(project: Project) -> None:
    """Its values are gone, so that rows get a neutral one: a downgrade has to run."""
    columns: list[Column[Any]] = [
        Column("age", Integer, nullable=False),
        Column("at", sa.DateTime, nullable=False),
        Column("paid", sa.Boolean, nullable=False),
    ]
    await project.revise(users(name(), *columns))
    await project.ask("INSERT INTO users VALUES (1, 'Ann', 7, '2026-01-01 00:00:00', true)")
    after = users(name())
    (path,) = await project.migrations(after).revision("fewer", allow_drop=True)
    await project.migrations(after).upgrade()
    await project.migrations(after).downgrade("-1")
    assert await project.ask("SELECT age FROM users") == 0
    path.unlink()
    await project.migrations(users(name(), *(each._copy() for each in columns))).check()


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_copied_table_keeps_its_computed_columns(project: Project) -> None:
    """No value can be stored there."""
    columns = (Column("twice", Integer, Computed("id * 2")), UniqueConstraint("name"))
    await make_filled(project, users(name(), columns[0]))
    after = users(name(), Column("twice", Integer, Computed("id * 2")), columns[1])
    await project.revise(after)
    await project.migrations(after).check()
    assert await project.ask("SELECT twice FROM users") == 2
    await project.ask("ALTER TABLE users ADD COLUMN a VARCHAR(9)")
    columns = await project.look(lambda inspector: inspector.get_columns("users"))
    assert [each["computed"]["sqltext"] for each in columns if "computed" in each] == ["id * 2"]


def with_moods(*tables: str, schema: str | None = None) -> MetaData:
    metadata = MetaData()
    for table in tables:
        mood: Column[str | None] = Column("mood", Enum("sad", "o'k", name="mood", schema=schema))
        Table(table, metadata, Column("id", Integer, primary_key=True), mood, schema=schema)
    return metadata


@pytest.mark.long
@pytest.mark.backends("mariadb", "sqlite")
async def test_index_of_a_foreign_key_comes_and_goes(project: Project) -> None:
    """MariaDB drops none that a key needs, so that the key is made anew."""

    def with_key(*, index: bool) -> MetaData:
        metadata = users(name())
        key = sa.ForeignKey("users.id")
        Table("pets", metadata, Column("id", Integer, primary_key=True),
              Column("user_id", Integer, key, index=index))  # fmt: skip
        return metadata

    for index in (True, False, True):
        await project.revise(with_key(index=index))
        await project.migrations(with_key(index=index)).check()
    await project.migrations().downgrade("-2")
    keys = await project.look(lambda inspector: inspector.get_foreign_keys("pets"))
    assert [each["constrained_columns"] for each in keys] == [["user_id"]]


@pytest.mark.backends("psycopg")
async def test_tables_share_an_enumeration(project: Project) -> None:
    """It is made once, and dropped with the last table that has it, also in another schema."""
    await project.ask("CREATE SCHEMA shop_of_tests")
    for schema in (None, "shop_of_tests"):
        some, more = with_moods("a", "b", schema=schema), with_moods("a", "b", "c", schema=schema)
        none = with_moods(schema=schema)
        Table("z", none, Column("id", Integer, primary_key=True), schema=schema)
        for metadata in (some, more, none):
            await project.migrations(metadata).revision("change", allow_drop=True)
            await project.migrations(metadata).upgrade()
            await project.migrations(metadata).check()
            await project.migrations(metadata).downgrade("-1")
            await project.migrations(metadata).upgrade()
        assert await project.ask("SELECT count(*) FROM pg_type WHERE typname = 'mood'") == 0


@pytest.mark.backends("psycopg")
async def test_enumeration_of_a_strange_table_stays(project: Project) -> None:
    """A table that no model maps may have it; it has values that another schema's type gains."""
    both = with_moods("a", "strange")
    await project.revise(both)
    none = MetaData()
    Table("a", none, Column("id", Integer, primary_key=True))
    await project.revise(none)
    assert await project.ask("SELECT count(*) FROM pg_type WHERE typname = 'mood'") == 1


@pytest.mark.long
@pytest.mark.backends("sqlite", "psycopg", "mariadb")
def test_random_pairs_there_and_back(backend: Backend, tmp_path: Path) -> None:
    """Some of those that `make schemas` tries."""

    def make() -> Made:
        if backend.is_sqlite:
            return f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db", lambda: None
        return of_server(backend.server, backend.name)

    try_pairs(3, make, 7)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_models_that_nobody_imported_are_found(project: Project) -> None:
    """By their source, in the project's own files; one that is mapped is none."""
    await project.revise(users(name()))
    for path, table in (
        ("shop/orders.py", "orders"),
        ("shop/users.py", "users"),
        (".venv/lib/other.py", "other"),
        ("env/lib/more.py", "more"),
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"class A(Base):\n    a = 1\n    __tablename__ = {table!r}\n")
    Path("env/pyvenv.cfg").touch()
    Path("shop/typed.py").write_text("class B(Base):\n    __tablename__: str = 'typed'\n")
    Path("shop/broken.py").write_text("__tablename__ = (")
    project.said.clear()
    await project.migrations(users(name())).check()
    assert [line.split(" and ")[0] for line in project.said] == [
        'shop/orders.py maps the table "orders"',
        'shop/typed.py maps the table "typed"',
    ]
