"""What autogenerate makes of changes that Alembic alone misses, or takes for others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import SchemaItem

from ormolu import Model
from tests.migrations.conftest import Project, there_and_back

NAMES = Model.metadata.naming_convention

# A text whose letters mean something to SQL, to SQLAlchemy and to drivers.
AWKWARD = 'it\'s 100% \\ :a "%s"'


def users(*columns: SchemaItem) -> MetaData:
    """Return a table with a key and these columns."""
    metadata = MetaData(naming_convention=NAMES)
    Table("users", metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


def name(of: str = "name") -> Column[Any]:
    return Column(of, String(20), nullable=False, index=True)


async def make_filled(project: Project, metadata: MetaData) -> None:
    """Make the table, with a row."""
    await project.revise(metadata)
    await project.ask("INSERT INTO users (id, name) VALUES (1, 'Ann')")


@pytest.mark.long
async def test_renamed_column_keeps_its_values(project: Project) -> None:
    """There and back, with the index that has its name."""
    await make_filled(project, users(name()))
    after = users(name("full_name"))
    (path,) = await project.migrations(after).revision(
        "rename", renames={"users.name": "full_name"}
    )
    source = path.read_text()
    assert "drop_column" not in source
    assert "new_column_name='full_name'" in source
    await project.migrations(after).upgrade()
    await project.migrations(after).check()
    assert await project.ask("SELECT full_name FROM users") == "Ann"
    await project.migrations(after).downgrade("-1")
    assert await project.ask("SELECT name FROM users") == "Ann"


@pytest.mark.long
async def test_rename_is_never_guessed(project: Project) -> None:
    """A column that is gone beside a new one is asked about; what was said has to be true."""
    await make_filled(project, users(name()))
    migrations = project.migrations(users(Column("mail", String(20))))
    with pytest.raises(CommandError, match=r"--rename users\.name:mail"):
        await migrations.revision("uncertain")
    for wrong in ({"users.name": "post"}, {"users.mail": "name"}):
        with pytest.raises(CommandError, match=r"the models do not lack|loses name"):
            await migrations.revision("wrong", renames=wrong)
    (path,) = await migrations.revision("another column", allow_drop=True)
    assert "drop_column('name')" in path.read_text().replace("'users', ", "")
    path.unlink()
    (path,) = await project.migrations(users()).revision("gone")
    assert "drop_column" in path.read_text()
    path.unlink()
    with pytest.raises(CommandError, match=r"the models do not lack users\.a"):
        await project.migrations(users(name())).revision("wrong", renames={"users.a": "b"})


@pytest.mark.long
async def test_required_column_comes_in_three_steps(project: Project) -> None:
    """It is added, filled with the model's default, then NOT NULL; a table with rows takes it."""
    await make_filled(project, users(name()))
    after = users(name(), Column("kind", String(20), default=AWKWARD, nullable=False))
    await project.revise(after)
    assert await project.ask("SELECT kind FROM users") == AWKWARD
    await project.migrations(after).check()
    (column,) = [
        each
        for each in await project.look(lambda inspector: inspector.get_columns("users"))
        if each["name"] == "kind"
    ]
    assert column["nullable"] is False
    await project.migrations(after).downgrade("-1")
    assert await project.ask("SELECT count(*) FROM users") == 1


@pytest.mark.long
async def test_column_that_becomes_required_is_filled(project: Project) -> None:
    """NULLs get the default first; without one, whoever writes the revision is told."""
    kind = Column("kind", String(9))
    await make_filled(project, users(name(), kind))
    after = users(name(), Column("kind", String(9), default="a", nullable=False))
    await project.revise(after)
    assert await project.ask("SELECT kind FROM users") == "a"
    bare = users(name(), Column("kind", String(9)), Column("age", Integer, nullable=False))
    (path,) = await project.migrations(bare).revision("age")
    assert "users.age is NOT NULL and has no default" in "".join(project.said)
    assert path.read_text().index("add_column") < path.read_text().index("'age',\n")


@pytest.mark.long
async def test_checks_come_and_go_by_their_names(project: Project) -> None:
    """One that is new is written, and one that is gone is dropped; one that stays is none."""
    await make_filled(project, users(name()))
    after = users(name(), Column("age", Integer, CheckConstraint("age > 0", name="positive")))
    await project.revise(after)
    await project.migrations(after).check()
    other = users(name(), Column("age", Integer, CheckConstraint("age < 9", name="small")))
    await project.revise(other)
    await project.migrations(other).check()
    await project.ask("UPDATE users SET age = -1")
    with pytest.raises(DBAPIError):
        await project.ask("UPDATE users SET age = 10")


@pytest.mark.long
async def test_check_that_changed_is_made_anew(project: Project) -> None:
    """By its text, as the database writes it; there and back."""

    def small(most: int) -> MetaData:
        metadata = users(name(), Column("age", Integer))
        check = CheckConstraint(f"age<{most} OR name = 'it''s'", name="small")
        metadata.tables["users"].append_constraint(check)
        return metadata

    await make_filled(project, small(9))
    await project.migrations(small(9)).check()
    await project.revise(small(90))
    await project.migrations(small(90)).check()
    await project.ask("UPDATE users SET age = 10")
    await project.ask("UPDATE users SET age = 8")
    await project.migrations(small(90)).downgrade("-1")
    with pytest.raises(DBAPIError):
        await project.ask("UPDATE users SET age = 10")


@pytest.mark.long
async def test_foreign_key_comes_and_goes(project: Project) -> None:
    """With the index that some databases make for it, or with the model's; there and back."""

    def owned(*, is_key: bool, is_indexed: bool) -> MetaData:
        key = [ForeignKey("users.id")] if is_key else []
        return users(name(), Column("owner_id", Integer, *key, index=is_indexed))

    for is_indexed in (False, True):
        bare = owned(is_key=False, is_indexed=is_indexed)
        referring = owned(is_key=True, is_indexed=is_indexed)
        await project.revise(bare)
        for before, after in ((bare, referring), (referring, bare)):
            await there_and_back(project, before, after)


@pytest.mark.long
async def test_column_of_a_rule_is_renamed(project: Project) -> None:
    """A CHECK and an index follow; there and back."""

    def ruled(of: str) -> MetaData:
        rule = CheckConstraint(f"{of} > 0", name="rule")
        return users(Column(of, Integer, unique=True), rule, Index("ix_rule", of, "id"))

    await project.revise(ruled("age"))
    await project.ask("INSERT INTO users (id, age) VALUES (1, 5)")
    await there_and_back(project, ruled("age"), ruled("years"), {"users.age": "years"})
    with pytest.raises(DBAPIError):
        await project.ask("UPDATE users SET years = 0")


@pytest.mark.long
async def test_primary_key_is_renamed(project: Project) -> None:
    """Keys of other tables follow, and rows are numbered as before; there and back."""

    def owned(of: str) -> MetaData:
        metadata = MetaData(naming_convention=NAMES)
        Table("users", metadata, Column(of, Integer, primary_key=True), Column("name", String(9)))
        Table("cats", metadata, Column("id", Integer, primary_key=True),
              Column("owner", Integer, ForeignKey(f"users.{of}")))  # fmt: skip
        return metadata

    await project.revise(owned("id"))
    await project.ask("INSERT INTO users (name) VALUES ('Ann')")
    await project.ask("INSERT INTO cats VALUES (1, 1)")
    await there_and_back(project, owned("id"), owned("number"), {"users.id": "number"})
    await project.ask("INSERT INTO users (name) VALUES ('Bob')")
    assert await project.ask("SELECT max(number) FROM users") == 2
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO cats VALUES (2, 9)")


@pytest.mark.long
async def test_computed_column_is_renamed(project: Project) -> None:
    """With what computes it; there and back."""
    twice = [users(name(), Column(each, Integer, Computed("id * 2"))) for each in ("a", "b")]
    await make_filled(project, twice[0])
    await project.migrations(twice[1]).revision("rename", renames={"users.a": "b"})
    await project.migrations(twice[1]).upgrade()
    await project.migrations(twice[1]).check()
    assert await project.ask("SELECT b FROM users") == 2
    await project.migrations(twice[1]).downgrade("-1")
    assert await project.ask("SELECT a FROM users") == 2


@pytest.mark.long
async def test_table_with_a_computed_column_is_altered(project: Project) -> None:
    """SQLite copies it, and computes the column anew."""
    twice = Column("twice", Integer, Computed("id * 2"))
    await make_filled(project, users(name(), twice))
    await project.revise(users(Column("name", String(30), index=True), twice._copy()))
    assert await project.ask("SELECT twice FROM users") == 2


@pytest.mark.long
async def test_indexed_table_goes_and_comes_back(project: Project) -> None:
    """With its index and its key, which the models no longer know."""
    before = users(name())
    age = Column("age", Integer, index=True)
    owner = Column("owner", Integer, ForeignKey("users.id"))
    Table("cats", before, Column("id", Integer, primary_key=True), age, owner)
    await project.revise(before)
    (path,) = await project.migrations(users(name())).revision("gone", allow_drop=True)
    await project.migrations(users(name())).upgrade()
    assert "cats" not in await project.tables()
    await project.migrations(users(name())).downgrade("-1")
    path.unlink()
    await project.migrations(before).check()


@pytest.mark.long
async def test_key_stays_while_its_index_goes(project: Project) -> None:
    """Beside a column that comes in steps: the key is put aside once."""
    owner = Column("owner_id", Integer, ForeignKey("users.id"))
    indexed = Column("owner_id", Integer, ForeignKey("users.id"), index=True)
    kind = Column("kind", String(9), default="a", nullable=False)
    await project.revise(users(owner))
    after = users(indexed, kind)
    await project.revise(after)
    await project.migrations(after).check()
    await project.migrations(after).downgrade("-1")
    await project.migrations(after).upgrade()
    await project.migrations(after).check()


@pytest.mark.backends("asyncpg", "psycopg")
async def test_check_beside_a_new_type_waits_for_it(project: Project) -> None:
    """The database cannot have the text before the type is there; the next revision compares it."""
    small = CheckConstraint("id < 9", name="small")
    await make_filled(project, users(name(), small))
    mood: Column[Any] = Column("mood", Enum("sad", "ok", name="mood"))
    (path,) = await project.migrations(
        users(name(), CheckConstraint("id < 8", name="small"), mood)
    ).revision("mood")
    assert "small" not in path.read_text()


@pytest.mark.long
async def test_server_default_is_compared(project: Project) -> None:
    """One that changed is written; one that stays is none."""
    kind = Column("kind", String(9), server_default="a", nullable=False)
    await make_filled(project, users(name(), kind))
    await project.migrations(users(name(), kind._copy())).check()
    after = users(name(), Column("kind", String(9), server_default="b", nullable=False))
    await project.revise(after)
    await project.migrations(after).check()
    await project.ask("INSERT INTO users (id, name) VALUES (2, 'Bob')")
    assert await project.ask("SELECT kind FROM users WHERE id = 2") == "b"


@pytest.mark.long
async def test_enumeration_gains_values(project: Project) -> None:
    """A value that the database would refuse is added; one that is gone stays, and is reported."""
    await make_filled(project, users(name(), Column("mood", Enum("sad", "ok", name="mood"))))
    after = users(name(), Column("mood", Enum("sad", "ok", "it's", name="mood")))
    with pytest.raises(CommandError):
        await project.migrations(after).check()
    await project.revise(after)
    await project.migrations(after).check()
    await project.ask("UPDATE users SET mood = 'it''s'")


@pytest.mark.long
async def test_enumeration_comes_and_goes_with_its_column(project: Project) -> None:
    """In a new column and in a new table, up and down twice."""
    await make_filled(project, users(name()))
    after = users(name(), Column("mood", Enum("sad", "ok", name="mood")))
    Table("cats", after, Column("id", Integer, primary_key=True), Column("c", Enum("x", name="cc")))
    await project.revise(after)
    await project.migrations(after).check()
    for revision in ("-1", "base"):
        await project.migrations(after).downgrade(revision)
        await project.migrations(after).upgrade()
    await project.migrations(after).check()


@pytest.mark.backends("asyncpg", "psycopg")
async def test_values_of_an_enumeration_are_not_taken(project: Project) -> None:
    """PostgreSQL cannot take one from a type, so it stays, and is reported."""
    await make_filled(project, users(name(), Column("mood", Enum("sad", "ok", name="mood"))))
    await project.migrations(users(name(), Column("mood", Enum("ok", name="mood")))).check()
    assert any("mood keeps the values sad" in line for line in project.said)


@pytest.mark.long
async def test_column_without_default_becomes_required(project: Project) -> None:
    """It is one step, which fails where there are NULLs; that is told."""
    await project.revise(users(name(), Column("kind", String(9))))
    after = users(name(), Column("kind", String(9), nullable=False))
    await project.revise(after)
    await project.migrations(after).check()
    assert "users.kind is NOT NULL and has no default" in "".join(project.said)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_lock_is_waited_for_in_short_tries(project: Project) -> None:
    """A migration that gets no lock in time lets the others through, and tries again."""
    await make_filled(project, users(name()))
    after = users(name(), Column("age", Integer))
    await project.migrations(after).revision("age")
    db = project.database(after, lock_timeout=0.1)
    refused = asyncio.Event()

    def say(line: str) -> None:
        if "no lock in time, try 1" in line:
            refused.set()

    migrations = type(db.migrations)(db.migrations.engines, say)
    async with project.database() as other, other.engine.connect() as holder:
        await holder.execute(text("LOCK TABLE users IN ACCESS SHARE MODE"))
        upgrading = asyncio.create_task(migrations.upgrade())
        await refused.wait()
        await holder.rollback()
        await upgrading
    assert "age" in [each["name"] for each in await project.look(columns_of_users)]


def columns_of_users(inspector: sa.Inspector) -> Any:
    return inspector.get_columns("users")


async def test_models_of_schemas_are_compared(project: Project) -> None:
    """Tables of a schema are found there, and the server's own schemas are not looked into."""
    if project.url.startswith("sqlite"):
        assert (await project.migrations(users(name())).history()) == ""
        return
    await project.ask("CREATE SCHEMA shop_of_tests")
    try:
        metadata = MetaData(naming_convention=NAMES)
        Table("users", metadata, Column("id", Integer, primary_key=True), schema="shop_of_tests")
        await project.revise(metadata)
        await project.migrations(metadata).check()
        await project.migrations(metadata).downgrade("base")
    finally:
        await project.ask("DROP SCHEMA shop_of_tests")


@pytest.mark.long
async def test_indexed_key_is_renamed(project: Project) -> None:
    """The column, its key and its index have new names; there and back."""

    def owned(of: str) -> MetaData:
        return users(Column(of, Integer, ForeignKey("users.id"), index=True))

    await project.revise(owned("a"))
    await there_and_back(project, owned("a"), owned("b"), {"users.a": "b"})
