"""CHECK constraints of every spelling: of a table, a column or a type, with a name or without."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Boolean, CheckConstraint, Column, Enum, Integer, MetaData, String, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator

from ormolu import Model
from tests.migrations.conftest import Project, there_and_back


def things(*items: SchemaItem, convention: Any = None) -> MetaData:
    metadata = MetaData(naming_convention=convention)
    key = Column("id", Integer, primary_key=True)
    Table("things", metadata, key, Column("name", String(20)), *items)
    return metadata


def age(text: str, name: str | None = None) -> Column[Any]:
    return Column("age", Integer, CheckConstraint(text, name=name))


async def refuses(project: Project, values: str) -> bool:
    """Tell whether a row cannot be stored."""
    try:
        await project.ask(f"INSERT INTO things {values}")
    except DBAPIError:
        return True
    await project.ask("DELETE FROM things")
    return False


async def settle(project: Project, metadata: MetaData) -> None:
    """Write and run a revision, after which nothing is left to do."""
    await project.revise(metadata)
    await project.migrations(metadata).check()


NAMED = age("age > 0", "positive")
NAMELESS = age("age > 0")


@pytest.mark.long
@pytest.mark.parametrize(
    ("column", "convention"),
    [(NAMED, None), (NAMED, Model.metadata.naming_convention), (NAMELESS, None)],
)
async def test_new_table_has_those_of_its_columns(
    project: Project, column: Column[Any], convention: Any
) -> None:
    """Alembic writes none of them."""
    await settle(project, things(column._copy(), convention=convention))
    assert await refuses(project, "(id, age) VALUES (1, 0)")
    assert not await refuses(project, "(id, age) VALUES (1, 1)")


@pytest.mark.long
@pytest.mark.parametrize("name", ["rule", None])
async def test_they_come_change_and_go(project: Project, name: str | None) -> None:
    """There and back, of a column and of a table; one that stays is none."""

    def ruled(text: str) -> MetaData:
        return things(age(text, name), CheckConstraint("name <> 'x'"))

    bare = things(Column("age", Integer))
    await settle(project, bare)
    for before, after in ((bare, ruled("age > 0")), (ruled("age > 0"), ruled("age>5 OR age=2"))):
        await there_and_back(project, before, after)
    assert await refuses(project, "(id, age) VALUES (1, 1)")
    assert not await refuses(project, "(id, age) VALUES (1, 2)")
    assert await refuses(project, "(id, name) VALUES (1, 'x')")
    await there_and_back(project, ruled("age>5 OR age=2"), bare)
    assert not await refuses(project, "(id, age, name) VALUES (1, 1, 'x')")


async def make_all(project: Project, metadata: MetaData) -> None:
    """Make tables without a revision."""
    async with project.database() as db, db.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


@pytest.mark.long
async def test_nameless_ones_of_a_database_stay(project: Project) -> None:
    """A server has given them names, or SQLite none; a copied table has them, too."""

    def sized(kind: type[Integer]) -> MetaData:
        rules = [CheckConstraint("name <> 'x'"), CheckConstraint("age < 90 AND age>0")]
        return things(Column("age", kind), *rules)

    await make_all(project, sized(Integer))
    await project.migrations(sized(Integer)).check()
    await there_and_back(project, sized(Integer), sized(sa.BigInteger))
    for values in ("(id, age) VALUES (1, 0)", "(id, name) VALUES (1, 'x')"):
        assert await refuses(project, values)


@pytest.mark.long
async def test_nameless_one_that_is_gone_is_dropped_where_it_has_a_name(project: Project) -> None:
    """SQLite has none to drop it by: whoever writes the revision is told, and it stays."""
    await make_all(project, things(CheckConstraint("name <> 'x'")))
    await settle(project, things())
    is_told = any("no name to drop it by: (name <> 'x')" in line for line in project.said)
    assert is_told is project.url.startswith("sqlite")
    assert await refuses(project, "(id, name) VALUES (1, 'x')") is is_told


@pytest.mark.backends("sqlite")
async def test_nameless_ones_go_with_their_column(project: Project) -> None:
    """Of a table that is copied; the others stay."""
    await make_all(project, things(age("age > 0"), CheckConstraint("name <> 'x'")))
    await project.revise(things(CheckConstraint("name <> 'x'")))
    assert await refuses(project, "(id, name) VALUES (1, 'x')")
    assert not await refuses(project, "(id, name) VALUES (1, 'y')")


def flagged(*moods: str, name: str | None, convention: Any) -> MetaData:
    mood: Any = Enum(*moods, native_enum=False, create_constraint=True, length=9, name=name)
    flag: Any = Boolean(create_constraint=True, name=None if name is None else "flag")
    return things(Column("mood", mood), Column("flag", flag), convention=convention)


@pytest.mark.long
@pytest.mark.parametrize("name", ["mood", None])
@pytest.mark.parametrize("convention", [None, Model.metadata.naming_convention])
async def test_types_make_them(project: Project, name: str | None, convention: Any) -> None:
    """Of members that change; in a table that is new, and in one that is there."""
    few = flagged("a", "b", name=name, convention=convention)
    more = flagged("a", "b", "c", name=name, convention=convention)
    await settle(project, few)
    await there_and_back(project, few, more)
    assert await refuses(project, "(id, mood) VALUES (1, 'd')")
    assert not await refuses(project, "(id, mood) VALUES (1, 'c')")
    await there_and_back(project, more, things(convention=convention))
    await there_and_back(project, things(convention=convention), few)


@pytest.mark.long
async def test_same_text_twice_is_one(project: Project) -> None:
    """Without a name it is nothing else."""
    rules = [CheckConstraint("name <> 'x'"), CheckConstraint("name <> 'x'")]
    await settle(project, things(*rules))


@pytest.mark.backends("sqlite")
async def test_old_revision_takes_a_type_with_its_constraint(project: Project) -> None:
    """A batch that says what the type was makes nothing of the nameless CHECK, as in Alembic."""
    flag: Any = Boolean(create_constraint=True)
    await make_all(project, things(Column("flag", flag), CheckConstraint("name <> 'x'")))
    (path,) = await project.migrations(things()).revision("number", empty=True)
    was = "existing_type=sa.Boolean(create_constraint=True)"
    batch = f"t.alter_column('flag', type_=sa.Integer, {was})"
    source = f"with op.batch_alter_table('things') as t: {batch}"
    path.write_text(path.read_text().replace("pass", source, 1))
    await project.migrations(things()).upgrade()
    assert not await refuses(project, "(id, flag) VALUES (1, 7)")
    assert await refuses(project, "(id, name) VALUES (1, 'x')")


class Shouted(TypeDecorator[str]):
    """A program's own type, which makes a CHECK, too."""

    impl = Enum("A", "B", native_enum=False, create_constraint=True, name="shouted")
    cache_ok = True

    def __repr__(self) -> str:
        return "Shouted()"


@pytest.mark.long
async def test_types_of_a_program_make_their_own(project: Project) -> None:
    """A revision names the type: the CHECK is not made once more."""

    def named(is_there: bool) -> MetaData:
        return things(*[Column("word", Shouted())] if is_there else [])

    for metadata in (named(True), named(False), named(True)):
        (path,) = await project.migrations(metadata).revision("word")
        module = f"from {__name__} import Shouted"
        path.write_text(
            path.read_text()
            .replace(f"{__name__}.Shouted", "Shouted")
            .replace("import sqlalchemy as sa", f"import sqlalchemy as sa\n{module}")
        )
        await project.migrations(metadata).upgrade()
        await project.migrations(metadata).check()
    assert await refuses(project, "(id, word) VALUES (1, 'C')")


@pytest.mark.long
async def test_those_of_another_dialect_are_none(project: Project) -> None:
    """`ddl_if` says which databases have one."""
    rule = CheckConstraint("age > 0", name="rule").ddl_if(dialect="oracle")
    await settle(project, things(Column("age", Integer), rule))
    assert not await refuses(project, "(id, age) VALUES (1, 0)")


@pytest.mark.long
async def test_expressions_and_awkward_texts_are_written(project: Project) -> None:
    """A condition of SQLAlchemy's, and one with what means something to drivers."""
    column = Column("age", Integer)
    rules = [CheckConstraint(column > 0), CheckConstraint("name <> 'a \\:b % \"c\"'")]
    await settle(project, things(column, *rules))
    assert await refuses(project, "(id, age) VALUES (1, 0)")
    assert await refuses(project, "(id, name) VALUES (1, 'a \\:b % \"c\"')")
