"""Columns that get another type: rows keep what they say, there and back."""

from __future__ import annotations

import datetime
import decimal
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import Column, Enum, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.exc import DBAPIError

from ormolu import Model, UTCDateTime
from tests.migrations.conftest import Project, there_and_back
from tests.migrations.test_changes import users

NAMES = Model.metadata.naming_convention
KEY = uuid.UUID("0b8f1c7e-2a55-4d52-9d1c-0123456789ab")
MOMENT = datetime.datetime(2026, 1, 2, 10, 30)


@dataclass(frozen=True)
class Case:
    """A value of one type, and what it is as another; `back` is what that is as the first."""

    old: Any
    value: Any
    new: Any
    there: Any
    back: Any = None

    @property
    def again(self) -> Any:
        return self.value if self.back is None else self.back


CASES = {
    "number_of_text": Case(String(20), "42", Integer, 42),
    "text_of_number": Case(Integer, 42, String(20), "42"),
    "longer_number": Case(Integer, 42, sa.BigInteger, 42),
    "rounded": Case(sa.Numeric(10, 2), decimal.Decimal("42.60"), Integer, 43, decimal.Decimal(43)),
    "decimal_of_text": Case(String(20), "4.25", sa.Numeric(10, 2), decimal.Decimal("4.25")),
    "truth_of_text": Case(String(20), "true", sa.Boolean, True),
    "untruth_of_text": Case(String(20), "false", sa.Boolean, False),
    "truth_of_number": Case(Integer, 7, sa.Boolean, True, 1),
    "number_of_truth": Case(sa.Boolean, True, Integer, 1),
    "text_of_truth": Case(sa.Boolean, False, String(9), "false"),
    "key_of_text": Case(String(40), str(KEY), sa.Uuid, KEY),
    "date_of_text": Case(String(20), "2026-01-02", sa.Date, datetime.date(2026, 1, 2)),
    "moment_of_text": Case(String(40), "2026-01-02 10:30:00", sa.DateTime, MOMENT, ...),
    "date_of_moment": Case(
        sa.DateTime, MOMENT, sa.Date, datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2)
    ),
    "instant_of_moment": Case(
        sa.DateTime, MOMENT, UTCDateTime, MOMENT.replace(tzinfo=datetime.UTC)
    ),
    "document_of_text": Case(sa.Text, '{"a": [1, "it\'s :b 100%"]}', sa.JSON,
                             {"a": [1, "it's :b 100%"]}),
    "document_of_number": Case(Integer, 42, sa.JSON, 42),
    "document_of_truth": Case(sa.Boolean, True, sa.JSON, True),
    "document_of_date": Case(sa.Date, datetime.date(2026, 1, 2), sa.JSON, "2026-01-02"),
    "member_of_text": Case(String(20), "ok", Enum("sad", "ok", name="mood_a"), "ok"),
    "member_of_member": Case(Enum("sad", "ok", name="mood_b"), "ok",
                             Enum("ok", "fine", name="mood_c"), "ok"),
    "document_of_member": Case(Enum("sad", "ok", name="mood_d"), "ok", sa.JSON, "ok"),
    "bytes_of_text": Case(String(20), "ü", sa.LargeBinary(20), "ü".encode()),
    "text_of_text": Case(String(20), "abc", sa.Text, "abc"),
}  # fmt: skip


def altered(cases: dict[str, Case], *, is_after: bool) -> MetaData:
    """Return a table with a column for each case, which may be NULL."""
    return users(*(Column(n, c.new if is_after else c.old) for n, c in cases.items()))


async def read(project: Project, metadata: MetaData) -> list[dict[str, Any]]:
    table = metadata.tables["users"]
    async with project.database(metadata) as db, db.engine.connect() as connection:
        found = await connection.execute(sa.select(table).order_by(table.c.id))
        return [row._asdict() for row in found]


@pytest.mark.long
async def test_values_get_to_another_type_and_back(project: Project) -> None:
    """Of each kind, and NULLs: what they say stays, as far as the other type can say it."""
    cases = dict(CASES)
    if project.url.startswith("sqlite"):
        # It has no enumerations: what is there is text, and might be documents.
        del cases["document_of_member"]
    before, after = altered(cases, is_after=False), altered(cases, is_after=True)
    await project.revise(before)
    values = {name: case.value for name, case in cases.items()}
    async with project.database(before) as db, db.engine.begin() as connection:
        await connection.execute(before.tables["users"].insert(), [{"id": 1, **values}])
        await connection.execute(before.tables["users"].insert(), [{"id": 2}])
    path = await project.revise(after)
    await project.migrations(after).check()
    full, empty = await read(project, after)
    assert full == {"id": 1, **{name: case.there for name, case in cases.items()}}
    assert set(empty.values()) == {2, None}
    await project.migrations(after).downgrade("-1")
    path.rename(path.with_suffix(".hidden"))
    await project.migrations(before).check()
    full, empty = await read(project, before)
    wanted = {name: case.again for name, case in cases.items() if case.again is not ...}
    assert {name: full[name] for name in wanted} == wanted
    assert set(empty.values()) == {2, None}


def typed(kind: Any, *, rule: str | None = None, **options: Any) -> MetaData:
    metadata = users(Column("value", kind, **options))
    if rule is not None:
        metadata.tables["users"].append_constraint(sa.CheckConstraint(rule, name="rule"))
    return metadata


async def fill(project: Project, kind: Any, sql: str, **options: Any) -> None:
    await project.revise(typed(kind, **options))
    await project.ask(f"INSERT INTO users (id, value) VALUES (1, {sql})")


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "sql"),
    [(Integer, sa.DateTime, "5"), (sa.Date, Integer, "'2026-01-02'"), (sa.Date, sa.Uuid, "NULL")],
)
async def test_values_that_mean_nothing_there_are_asked_about(
    project: Project, old: Any, new: Any, sql: str
) -> None:
    """The revision says so and does nothing; whoever writes it is told, too."""
    await fill(project, old, sql)
    (path,) = await project.migrations(typed(new)).revision("change")
    assert "users.value is " in "".join(project.said)
    assert path.read_text().count("raise NotImplementedError(") == 2
    with pytest.raises(NotImplementedError, match=r"users\.value is .* nobody has said"):
        await project.migrations(typed(new)).upgrade()
    await project.migrations(typed(old)).downgrade("base")


@pytest.mark.long
@pytest.mark.parametrize("new", [Integer, sa.Numeric(10, 2), sa.Date, sa.JSON, sa.Boolean])
async def test_value_that_is_none_of_the_new_type_is_refused(project: Project, new: Any) -> None:
    """It is not made into 0 or NULL; the rest of the migration has not happened either."""
    await fill(project, String(20), "'some words'")
    await project.migrations(typed(new)).revision("change")
    with pytest.raises((DBAPIError, CommandError)):
        await project.migrations(typed(new)).upgrade()
    assert await project.ask("SELECT value FROM users") == "some words"


@pytest.mark.long
@pytest.mark.parametrize("default", ["7", "8", None])
async def test_default_gets_the_new_type_too(project: Project, default: str | None) -> None:
    """One that stays in the models, one that changes, one that goes; there and back."""
    before, after = typed(String(20), server_default="7"), typed(Integer, server_default=default)
    await fill(project, String(20), "'5'", server_default="7")
    await there_and_back(project, before, after, {})
    assert await project.ask("SELECT value FROM users") == 5
    await project.ask("INSERT INTO users (id) VALUES (2)")
    there = await project.ask("SELECT value FROM users WHERE id = 2")
    assert there == (None if default is None else int(default))
    await project.migrations(after).downgrade("-1")
    await project.ask("INSERT INTO users (id) VALUES (3)")
    assert await project.ask("SELECT value FROM users WHERE id = 3") == "7"


@pytest.mark.long
async def test_column_gets_another_type_and_becomes_required(project: Project) -> None:
    """NULLs are filled when the type is there; the downgrade lets them be again."""
    await fill(project, String(20), "NULL")
    after = typed(Integer, nullable=False, default=9)
    await there_and_back(project, typed(String(20)), after, {})
    assert await project.ask("SELECT value FROM users") == 9


@pytest.mark.long
@pytest.mark.parametrize("kinds", [(Integer, sa.BigInteger), (Integer, String(20))])
async def test_keys_follow_the_type_that_they_lead_to(
    project: Project, kinds: tuple[Any, Any]
) -> None:
    """Both ends at once, the key of a tree too; the database numbers rows as before."""

    is_numbered = kinds[1] is sa.BigInteger

    def owned(kind: Any) -> MetaData:
        metadata = MetaData(naming_convention=NAMES)
        Table("users", metadata, Column("id", kind, primary_key=True, autoincrement=is_numbered),
              Column("boss", kind, ForeignKey("users.id")))  # fmt: skip
        Table("cats", metadata, Column("id", Integer, primary_key=True),
              Column("owner", kind, ForeignKey("users.id"), index=True))  # fmt: skip
        return metadata

    before, after = map(owned, kinds)
    await project.revise(before)
    await project.ask("INSERT INTO users (id) VALUES (1)")
    await project.ask("INSERT INTO users (id, boss) VALUES (2, 1)")
    await project.ask("INSERT INTO cats VALUES (1, 2)")
    await there_and_back(project, before, after, {})
    assert await project.ask("SELECT count(*) FROM cats JOIN users ON owner = users.id") == 1
    with pytest.raises(DBAPIError):
        await project.ask("INSERT INTO cats VALUES (2, 9)")


def keyed(kind: Any, *options: Any) -> MetaData:
    metadata = MetaData(naming_convention=NAMES)
    key = Column("id", kind, *options, primary_key=True)
    Table("users", metadata, key, Column("name", String(20)))
    return metadata


NUMBERED = {
    "longer": (keyed(Integer), keyed(sa.BigInteger)),
    "longer_identity": (keyed(Integer, sa.Identity()), keyed(sa.BigInteger, sa.Identity())),
    "text": (keyed(Integer), keyed(String(20))),
    "text_of_identity": (keyed(Integer, sa.Identity()), keyed(String(20))),
    "number_of_text": (keyed(String(20)), keyed(Integer)),
    "identity_of_text": (keyed(String(20)), keyed(Integer, sa.Identity())),
}


@pytest.mark.long
@pytest.mark.parametrize("case", NUMBERED)
async def test_numbers_go_on_in_another_type(project: Project, case: str) -> None:
    """The database gives them as long as the column is an integer, after those that are there."""
    before, after = NUMBERED[case]
    await project.revise(before)
    await project.ask("INSERT INTO users (id, name) VALUES ('41', 'by hand')")
    await there_and_back(project, before, after)
    if isinstance(after.tables["users"].c.id.type, Integer):
        await go_on(project, 41)
    await project.ask("DELETE FROM users WHERE id <> '41'")
    await project.migrations(after).downgrade("-1")
    if isinstance(before.tables["users"].c.id.type, Integer):
        await go_on(project, 41)


async def go_on(project: Project, last: int) -> None:
    if project.url.startswith("postgresql"):
        # A sequence does not know what was stored by hand.
        await project.ask(f"SELECT setval(pg_get_serial_sequence('users', 'id'), {last})")
    await project.ask("INSERT INTO users (name) VALUES ('next')")
    assert await project.ask("SELECT max(id) FROM users") > last


@pytest.mark.long
@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("options", [(), (sa.Identity(),)])
async def test_sequence_is_as_long_as_its_column(project: Project, options: Any) -> None:
    """The numbers of a BIGINT do not end with those of an INTEGER."""
    await project.revise(keyed(Integer, *options))
    await project.revise(keyed(sa.BigInteger, *options))
    await project.ask("SELECT setval(pg_get_serial_sequence('users', 'id'), 3000000000)")
    await project.ask("INSERT INTO users (name) VALUES ('far')")
    assert await project.ask("SELECT max(id) FROM users") == 3000000001


@pytest.mark.long
@pytest.mark.backends("asyncpg", "psycopg")
async def test_numbers_begin_after_the_last_row(project: Project) -> None:
    """What was stored while the key was text is counted when it is a number again."""
    before, after = keyed(Integer), keyed(String(20))
    await project.revise(before)
    await project.revise(after)
    await project.ask("INSERT INTO users (id) VALUES ('1'), ('41')")
    await project.migrations(after).downgrade("-1")
    await project.ask("INSERT INTO users (name) VALUES ('next')")
    assert await project.ask("SELECT max(id) FROM users") == 42


RULES = {
    "another": (typed(Integer, rule="value > 0"), typed(String(20), rule="length(value) > 0")),
    "the_same": (
        typed(String(20), rule="value IN ('5', '6')"),
        typed(Integer, rule="value IN ('5', '6')"),
    ),
    "gone": (typed(Integer, rule="value > 0"), typed(sa.JSON)),
    "new": (typed(String(20)), typed(Integer, rule="value > 0")),
}


@pytest.mark.long
@pytest.mark.parametrize("case", RULES)
async def test_rules_are_made_for_the_type_of_now(project: Project, case: str) -> None:
    """A CHECK goes before its column is altered, and comes after that, there and back."""
    before, after = RULES[case]
    await project.revise(before)
    await project.ask("INSERT INTO users (id, value) VALUES (1, '5')")
    await there_and_back(project, before, after)
    assert str(await project.ask("SELECT value FROM users")) == "5"
    await project.migrations(after).downgrade("-1")
    assert str(await project.ask("SELECT value FROM users")) == "5"


@pytest.mark.long
async def test_column_gets_another_name_and_another_type(project: Project) -> None:
    """One revision does both, and keeps the rows; a default and NOT NULL come with them."""
    before = typed(String(20), server_default="7")
    after = users(Column("number", Integer, server_default="8", nullable=False))
    await fill(project, String(20), "'5'", server_default="7")
    await there_and_back(project, before, after, {"users.value": "number"})
    assert await project.ask("SELECT number FROM users") == 5
    await project.ask("INSERT INTO users (id) VALUES (2)")
    assert await project.ask("SELECT number FROM users WHERE id = 2") == 8
    await project.migrations(after).downgrade("-1")
    assert await project.ask("SELECT value FROM users WHERE id = 1") == "5"


@pytest.mark.long
async def test_renamed_key_has_another_type(project: Project) -> None:
    """What numbers the rows follows under the new name."""

    def named(name: str, kind: Any) -> MetaData:
        metadata = MetaData(naming_convention=NAMES)
        Table("users", metadata, Column(name, kind, primary_key=True), Column("n", Integer))
        return metadata

    before, after = named("id", Integer), named("number", sa.BigInteger)
    await project.revise(before)
    await project.ask("INSERT INTO users (n) VALUES (1)")
    await there_and_back(project, before, after, {"users.id": "number"})
    await project.ask("INSERT INTO users (n) VALUES (2)")
    assert await project.ask("SELECT max(number) FROM users") == 2


@pytest.mark.long
async def test_check_says_that_a_rule_has_changed(project: Project) -> None:
    """`ormolu db check` names what a revision would do."""
    await project.revise(typed(Integer, rule="value > 0"))
    with pytest.raises(CommandError, match="rule"):
        await project.migrations(typed(Integer, rule="value > 1")).check()
