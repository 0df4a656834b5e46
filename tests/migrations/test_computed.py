"""Computed columns: of something else, of a column with another type, or altered themselves."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Computed, Index, Integer, MetaData, Table
from sqlalchemy.schema import SchemaItem

from ormolu import Model
from tests.migrations.conftest import Project, there_and_back

NAMES = Model.metadata.naming_convention


def sums(*items: SchemaItem, convention: Any = NAMES) -> MetaData:
    metadata = MetaData(naming_convention=convention)
    Table("sums", metadata, Column("id", Integer, primary_key=True), *items)
    return metadata


def number(kind: Any = Integer, name: str = "number") -> Column[Any]:
    return Column(name, kind)


def twice(text: str = "number * 2", name: str = "twice", **options: Any) -> Column[Any]:
    return Column(name, Integer, Computed(text, **options))


async def change(
    project: Project, before: MetaData, after: MetaData, renames: dict[str, str] | None = None
) -> None:
    """Revise tables with a row, there and back."""
    await project.revise(before)
    await project.ask("INSERT INTO sums (id, number) VALUES (1, 21)")
    await there_and_back(project, before, after, renames)


@pytest.mark.long
async def test_what_is_computed_changes(project: Project) -> None:
    """Values are computed anew; one that is written in other words is the same."""
    await change(project, sums(number(), twice()), sums(number(), twice("number * 3")))
    assert await project.ask("SELECT twice FROM sums") == 63
    await project.migrations(sums(number(), twice("number*3"))).check()


@pytest.mark.long
async def test_column_that_is_computed_of_gets_another_type(project: Project) -> None:
    """The rows keep their values, and what was computed of them."""
    await change(project, sums(number(), twice()), sums(number(sa.BigInteger), twice()))
    await project.ask("INSERT INTO sums (id, number) VALUES (2, 50)")
    assert await project.ask("SELECT sum(twice) FROM sums") == 142


@pytest.mark.long
async def test_computed_column_gets_another_type(project: Project) -> None:
    """It stays a computed one."""
    after = sums(number(), Column("twice", sa.BigInteger, Computed("number * 2")))
    await change(project, sums(number(), twice()), after)
    await project.ask("UPDATE sums SET number = 4")
    assert await project.ask("SELECT twice FROM sums") == 8


@pytest.mark.long
async def test_computed_column_is_stored_from_then_on(project: Project) -> None:
    """There and back; its text is the same."""
    await change(
        project, sums(number(), twice(persisted=False)), sums(number(), twice(persisted=True))
    )
    columns = await project.look(lambda inspector: inspector.get_columns("sums"))
    assert [each["computed"]["persisted"] for each in columns if "computed" in each] == [True]


@pytest.mark.long
async def test_computed_column_gets_a_comment(project: Project) -> None:
    """MariaDB writes a column anew for that; it stays a computed one."""
    after = sums(number(), twice())
    after.tables["sums"].c.twice.comment = "a sum"
    await change(project, sums(number(), twice()), after)
    await project.ask("UPDATE sums SET number = 4")
    assert await project.ask("SELECT twice FROM sums") == 8


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_computed_column_becomes_required(project: Project) -> None:
    """It stays a computed one; MariaDB has none that is NOT NULL."""
    after = sums(number(), twice(persisted=True))
    after.tables["sums"].c.twice.nullable = False
    await change(project, sums(number(), twice(persisted=True)), after)
    await project.ask("UPDATE sums SET number = 4")
    assert await project.ask("SELECT twice FROM sums") == 8


@pytest.mark.long
async def test_indexes_and_rules_of_a_computed_column_stay(project: Project) -> None:
    """Also those of several columns; one that comes and one that goes with it do so."""

    def indexed(kind: Any, text: str, *more: SchemaItem) -> MetaData:
        column = twice(text, persisted=True)
        return sums(
            number(kind), column, Index("ix_both", "twice", "number"), sa.UniqueConstraint("twice"),
            CheckConstraint("twice > 0", name="positive"), *more,
        )  # fmt: skip

    before = indexed(Integer, "number * 2", Index("ix_old", "twice"))
    after = indexed(sa.BigInteger, "number * 3", Index("ix_new", "twice"))
    await change(project, before, after)
    indexes = await project.look(lambda inspector: inspector.get_indexes("sums"))
    assert {"ix_both", "ix_new"} <= {each["name"] for each in indexes}


@pytest.mark.long
async def test_unique_constraint_comes_and_goes_with_a_change(project: Project) -> None:
    """Beside another text; the column is stored then, as PostgreSQL has no index else."""
    plain = sums(number(), twice(persisted=False))
    unique = sums(number(), twice("number * 3", persisted=True), sa.UniqueConstraint("twice"))
    other = sums(number(), twice("number * 4", persisted=True), sa.UniqueConstraint("twice"))
    stored = sums(number(), twice("number * 5", persisted=True), Column("more", Integer))
    await project.revise(plain)
    await project.ask("INSERT INTO sums (id, number) VALUES (1, 21)")
    for before, after in ((plain, unique), (unique, other), (other, stored), (stored, unique)):
        await there_and_back(project, before, after)
    assert await project.ask("SELECT twice FROM sums") == 63
    found = await project.look(lambda inspector: inspector.get_unique_constraints("sums"))
    assert [each["column_names"] for each in found] == [["twice"]]


@pytest.mark.long
@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_nameless_index_of_a_computed_column_stays(project: Project) -> None:
    """Where the models have no convention for names, the database has one."""

    def unique(kind: Any) -> MetaData:
        column = twice(persisted=True)
        return sums(number(kind), column, sa.UniqueConstraint("twice", name=None), convention=None)

    await change(project, unique(Integer), unique(sa.BigInteger))
    found = await project.look(lambda inspector: inspector.get_unique_constraints("sums"))
    assert [each["column_names"] for each in found] == [["twice"]]


@pytest.mark.long
async def test_renamed_column_is_no_change_of_what_is_computed_of_it(project: Project) -> None:
    """Both may have new names, beside another type or text."""
    before = sums(number(), twice())
    after = sums(number(name="count"), twice("count * 2", "doubled"))
    renames = {"sums.number": "count", "sums.twice": "doubled"}
    await project.revise(before)
    (path,) = await project.migrations(after).revision("names", renames=renames)
    assert "drop_column" not in path.read_text()
    path.unlink()
    other = sums(number(sa.BigInteger, "count"), twice("count * 3", "doubled"))
    await project.ask("INSERT INTO sums (id, number) VALUES (1, 21)")
    await there_and_back(project, before, other, renames)
    assert await project.ask("SELECT doubled FROM sums") == 63


@pytest.mark.backends("asyncpg", "psycopg")
async def test_text_beside_a_new_type_waits_for_it(project: Project) -> None:
    """The database cannot have the table before the type is there; the next revision compares."""
    mood: Any = Column("mood", sa.Enum("sad", "ok", name="mood"))
    await change(project, sums(number(), twice()), sums(number(), twice(), mood))
    after = sums(number(), twice("number * 3"), mood._copy())
    await project.revise(after)
    assert await project.ask("SELECT twice FROM sums") == 63
