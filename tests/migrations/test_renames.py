"""Renamed columns that keys and constraints are made of, there and back, with rows."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import SchemaItem

from ormolu import Model
from tests.migrations.conftest import Project, there_and_back

NAMES = Model.metadata.naming_convention

# What makes a column one that a foreign key may lead to.
KINDS = ("constraint", "index", "primary")


def referred(kind: str, code: str = "code", owner: str = "owner") -> MetaData:
    """Return users with a unique column, and cats whose key leads to it."""
    metadata = MetaData(naming_convention=NAMES)
    number: list[SchemaItem] = [Column("id", Integer, primary_key=True)]
    others: dict[str, list[SchemaItem]] = {
        "constraint": [*number, UniqueConstraint(code)],
        "index": [*number, Index(None, code, unique=True)],
        "primary": [PrimaryKeyConstraint(code)],
    }
    Table("users", metadata, Column(code, String(9), nullable=False), *others[kind])
    Table("cats", metadata, Column("id", Integer, primary_key=True),
          Column(owner, String(9), ForeignKey(f"users.{code}"), index=True))  # fmt: skip
    return metadata


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["referred", "referring", "both"])
async def test_ends_of_a_key_are_renamed(project: Project, kind: str, side: str) -> None:
    """The column that a key leads to, the one that has it, and both at once."""
    renames = {"users.code": "label"} if side != "referring" else {}
    renames |= {"cats.owner": "keeper"} if side != "referred" else {}
    names = renames.get("users.code", "code"), renames.get("cats.owner", "owner")
    await project.revise(referred(kind))
    place = "(code) VALUES ('ann'" if kind == "primary" else "(code, id) VALUES ('ann', 1"
    await project.ask(f"INSERT INTO users {place})")
    await project.ask("INSERT INTO cats VALUES (1, 'ann')")
    await there_and_back(project, referred(kind), referred(kind, *names), renames)
    assert await project.ask(f"SELECT {names[0]} FROM users") == "ann"
    assert await project.ask(f"SELECT {names[1]} FROM cats") == "ann"
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO cats VALUES (2, 'bob')")


def composite(kind: str, *names: str) -> MetaData:
    """Return users that two columns name together, and cats that refer to both."""
    a, b, to_a, to_b = names
    metadata = MetaData(naming_convention=NAMES)
    keys: dict[str, list[SchemaItem]] = {
        "constraint": [Column("id", Integer, primary_key=True), UniqueConstraint(a, b)],
        "primary": [PrimaryKeyConstraint(a, b)],
    }
    pair = [Column(each, Integer, nullable=False) for each in (a, b)]
    Table("users", metadata, *pair, *keys[kind])
    Table("cats", metadata, Column("id", Integer, primary_key=True), Column(to_a, Integer),
          Column(to_b, Integer),
          ForeignKeyConstraint([to_a, to_b], [f"users.{a}", f"users.{b}"]))  # fmt: skip
    return metadata


@pytest.mark.long
@pytest.mark.parametrize("kind", ["constraint", "primary"])
@pytest.mark.parametrize("new", [("x", "b", "c", "d"), ("a", "b", "c", "y"), ("w", "x", "y", "z")])
async def test_columns_of_a_composite_key_are_renamed(
    project: Project, kind: str, new: tuple[str, ...]
) -> None:
    """One of the columns that it leads to, one of those that have it, and all."""
    old = ("a", "b", "c", "d")
    tables = ("users", "users", "cats", "cats")
    renames = {
        f"{table}.{before}": after
        for table, before, after in zip(tables, old, new, strict=True)
        if before != after
    }
    await project.revise(composite(kind, *old))
    place = "(a, b) VALUES (2, 3" if kind == "primary" else "(a, b, id) VALUES (2, 3, 1"
    await project.ask(f"INSERT INTO users {place})")
    await project.ask("INSERT INTO cats VALUES (1, 2, 3)")
    await there_and_back(project, composite(kind, *old), composite(kind, *new), renames)
    assert await project.ask(f"SELECT {new[0]} * 10 + {new[1]} FROM users") == 23
    assert await project.ask(f"SELECT {new[2]} * 10 + {new[3]} FROM cats") == 23
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO cats VALUES (2, 9, 9)")


def tree(code: str, parent: str) -> MetaData:
    """Return a table whose rows refer to its own by a unique column."""
    metadata = MetaData(naming_convention=NAMES)
    Table("users", metadata, Column("id", Integer, primary_key=True),
          Column(code, Integer, unique=True),
          Column(parent, Integer, ForeignKey(f"users.{code}")))  # fmt: skip
    return metadata


@pytest.mark.long
@pytest.mark.parametrize("new", [("label", "parent"), ("code", "boss"), ("label", "boss")])
async def test_ends_of_a_key_to_its_own_table_are_renamed(
    project: Project, new: tuple[str, str]
) -> None:
    """Either, and both at once."""
    old = ("code", "parent")
    renames = {f"users.{a}": b for a, b in zip(old, new, strict=True) if a != b}
    await project.revise(tree(*old))
    await project.ask("INSERT INTO users VALUES (1, 7, NULL)")
    await project.ask("INSERT INTO users VALUES (2, 8, 7)")
    await there_and_back(project, tree(*old), tree(*new), renames)
    assert await project.ask(f"SELECT {new[1]} FROM users WHERE {new[0]} = 8") == 7
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO users VALUES (3, 9, 99)")


@pytest.mark.long
async def test_key_stays_while_what_it_leads_to_is_made_anew(project: Project) -> None:
    """A unique constraint becomes a unique index of the same column."""
    before, after = referred("constraint"), referred("index")
    await project.revise(before)
    await project.ask("INSERT INTO users (id, code) VALUES (1, 'ann')")
    await project.ask("INSERT INTO cats VALUES (1, 'ann')")
    await there_and_back(project, before, after, {})
    assert await project.ask("SELECT owner FROM cats") == "ann"
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO cats VALUES (2, 'bob')")


@pytest.mark.long
async def test_new_table_refers_to_a_column_that_becomes_unique(project: Project) -> None:
    """The constraint is there before the table; the downgrade drops the table first."""
    after = referred("constraint")
    before = MetaData(naming_convention=NAMES)
    Table("users", before, Column("code", String(9), nullable=False),
          Column("id", Integer, primary_key=True))  # fmt: skip
    await project.revise(before)
    await project.ask("INSERT INTO users (id, code) VALUES (1, 'ann')")
    await there_and_back(project, before, after, {})
    assert await project.ask("SELECT code FROM users") == "ann"
