"""Each kind of database error, provoked on the real servers: one status and code for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database, SessionDep
from tests.errors._problem import assert_problem
from tests.errors._shop import Act, Order, Seat, Shop, User, add, app_of, fill, new_user, shop_of
from tests.errors.conftest import Shared
from tests.fixtures.apps import client_of
from tests.fixtures.backends import BACKENDS, Backend


def sql(statement: str, **values: Any) -> Act:
    """Return an action that executes a text."""

    async def act(session: AsyncSession) -> None:
        await session.execute(text(statement), values)

    return act


async def delete_parent(session: AsyncSession) -> None:
    await session.execute(delete(User).where(User.id == 1))


async def move_parent(session: AsyncSession) -> None:
    await session.execute(update(User).where(User.id == 1).values(id=2, version=1))


async def clear_email(session: AsyncSession) -> None:
    await session.execute(update(User).where(User.id == 1).values(email=None))


def filter_users(column: str, value: object) -> Act:
    """Return an action that asks for users by one column."""

    async def act(session: AsyncSession) -> None:
        await session.execute(select(User).where(getattr(User, column) == value))

    return act


_EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
_LATE = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14)))

_FOREIGN = "A row that this one refers to does not exist, or others refer to it."


@dataclass(frozen=True, kw_only=True)
class Case:
    """One wrong input.

    Attributes:
        act: What the route does.
        status: The answer's status, on every backend.
        code: The answer's code, on every backend.
        fields: Fields that the answer names.
        named_by: Backends that say which column it was.
        accepted_by: Backends that store the value, or a changed one, without a word.
    """

    act: Act
    status: int = 422
    code: str = "invalid_value"
    detail: str | None = None
    fields: tuple[str, ...] = ()
    named_by: tuple[str, ...] = BACKENDS
    accepted_by: tuple[str, ...] = ()


def invalid(column: str, value: object, *accepted_by: str) -> Case:
    """Return the case of a value that the column cannot hold.

    MariaDB names the column; asyncpg counts the parameters, of which it encodes numbers itself.
    """
    return Case(
        act=new_user(**{column: value}),
        fields=(column,),
        named_by=("mariadb", "asyncpg") if isinstance(value, int) else ("mariadb",),
        accepted_by=accepted_by,
    )


def unsendable(column: str, value: object, *accepted_by: str) -> Case:
    """Return the case of a value that some driver refuses; only asyncpg says which it was."""
    named_by = ("asyncpg",) if isinstance(value, str) else ()
    return Case(
        act=new_user(**{column: value}),
        fields=(column,),
        named_by=named_by,
        accepted_by=accepted_by,
    )


def untyped(column: str, value: object, *unnamed_by: str) -> Case:
    """Return the case of a value that the column's type refuses before it is sent."""
    named_by = tuple(name for name in BACKENDS if name not in unnamed_by)
    return Case(act=new_user(**{column: value}), fields=(column,), named_by=named_by)


CASES = {
    "unique": Case(
        act=new_user(email="ann@example.com", id=7),
        status=409,
        code="unique_violation",
        detail="A user with this email already exists.",
        fields=("email",),
    ),
    "unique_composite": Case(
        act=add(lambda: Order(id=7, user_id=1, number=1)),
        status=409,
        code="unique_violation",
        detail="An order with this user_id and number already exists.",
        fields=("user_id", "number"),
    ),
    "primary_key": Case(
        act=new_user(id=1),
        status=409,
        code="unique_violation",
        detail="A user with this id already exists.",
        fields=("id",),
    ),
    "primary_key_composite": Case(
        act=add(lambda: Seat(row=1, place=1)),
        status=409,
        code="unique_violation",
        detail="A seat with this row and place already exists.",
        fields=("row", "place"),
    ),
    "foreign_key_missing": Case(
        act=add(lambda: Order(user_id=77, number=1)),
        status=409,
        code="foreign_key_violation",
        detail=_FOREIGN,
        fields=("user_id",),
        named_by=("asyncpg", "psycopg", "mariadb"),
    ),
    "foreign_key_still_referenced": Case(
        act=delete_parent, status=409, code="foreign_key_violation", detail=_FOREIGN
    ),
    "foreign_key_moved": Case(act=move_parent, status=409, code="foreign_key_violation"),
    "not_null": Case(
        act=new_user(email=None),
        code="not_null_violation",
        detail="email is required.",
        fields=("email",),
    ),
    "not_null_left_out": Case(
        act=sql("INSERT INTO users (nick, version) VALUES ('ann', 1)"),
        code="not_null_violation",
        fields=("email",),
    ),
    "not_null_update": Case(act=clear_email, code="not_null_violation", fields=("email",)),
    "check": Case(
        act=new_user(age=-1),
        code="check_violation",
        detail="age has a value that is not allowed.",
        fields=("age",),
    ),
    "enum": untyped("colour", "green"),
    "boolean": untyped("is_member", 7),
    "text_too_long": invalid("nick", "abcdefgh", "sqlite"),
    "text_far_too_long": invalid("nick", "x" * 10_000, "sqlite"),
    "int_16": invalid("small", 2**15, "sqlite"),
    "int_32": invalid("age", 2**31, "sqlite"),
    "int_64": invalid("big", 2**63),
    "int_64_negative": invalid("big", -(2**63) - 1),
    "int_20_digits": invalid("big", 10**20),
    "int_400_digits": invalid("age", 10**400),
    "primary_key_64": invalid("id", 2**63),
    "foreign_key_64": Case(
        act=add(lambda: Order(user_id=2**63, number=1)),
        fields=("user_id",),
        named_by=("mariadb", "asyncpg"),
    ),
    "nul": unsendable("nick", "a\0b", "sqlite", "mariadb"),
    "nul_text": unsendable("notes", "a\0b", "sqlite", "mariadb"),
    "surrogate": unsendable("nick", "\ud800"),
    "surrogate_text": unsendable("notes", "a\udfffb"),
    "surrogate_json": untyped("extra", {"a": ["\ud800"]}, "psycopg"),
    "surrogate_json_key": untyped("extra", {"\ud800": 1}, "psycopg"),
    "nan_json": untyped("extra", {"a": float("nan")}, "psycopg"),
    "infinity_json": untyped("extra", {"a": [float("-inf")]}, "psycopg"),
    "nan": unsendable("ratio", float("nan"), "sqlite", "asyncpg", "psycopg"),
    "infinity": unsendable("ratio", float("inf"), "sqlite", "asyncpg", "psycopg"),
    "infinity_negative": unsendable("ratio", float("-inf"), "sqlite", "asyncpg", "psycopg"),
    "decimal_nan": unsendable("price", Decimal("NaN"), "sqlite", "asyncpg", "psycopg"),
    "decimal_infinity": unsendable("price", Decimal("Infinity"), "sqlite"),
    "decimal_1e400": invalid("price", Decimal("1e400"), "sqlite"),
    "decimal_20_digits": invalid("price", Decimal(10**20), "sqlite"),
    "datetime_naive": untyped("born", datetime(2024, 1, 1)),
    "datetime_before_year_1": untyped("born", _EARLY),
    "datetime_after_year_9999": untyped("born", _LATE),
    "filter_surrogate": Case(act=filter_users("email", "\ud800")),
    "filter_nul": Case(act=filter_users("email", "a\0b"), accepted_by=("sqlite", "mariadb")),
    "filter_64": Case(act=filter_users("id", 2**63), accepted_by=("mariadb",)),
    "filter_32": Case(act=filter_users("id", 2**31), accepted_by=("sqlite", "mariadb")),
    "no_table": Case(act=sql("SELECT * FROM nothing"), status=500, code="internal_error"),
    "no_column": Case(act=sql("SELECT nothing FROM users"), status=500, code="internal_error"),
    "no_function": Case(act=sql("SELECT nothing(1)"), status=500, code="internal_error"),
    "syntax": Case(act=sql("SELEKT 1"), status=500, code="internal_error"),
    "no_parameter": Case(act=sql("SELECT :a"), status=500, code="internal_error"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_same_answer_on_every_backend(
    case: Case, backend: Backend, shared: Shared, request: pytest.FixtureRequest
) -> None:
    """A wrong input has one status and one code, and its field if the server names it."""
    if backend.name in case.accepted_by:
        reason = f"{backend.name} takes the value; a hand-written route has to check it"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    db = Database(await shared(Shop.metadata, fill), metadata=Shop.metadata)
    async with client_of(app_of(db, case.act)) as client:
        response = await client.post("/act")
        async with db.unit_of_work() as session:
            await session.execute(delete(User).where(User.id != 1))
    fields = case.fields if backend.name in case.named_by else ()
    assert_problem(response, case.status, case.code, case.detail, fields=fields)


@pytest.mark.parametrize("name", ["unique", "check", "surrogate", "int_64"])
async def test_failure_stores_nothing_and_spoils_nothing(
    name: str, backend: Backend, database_url: str
) -> None:
    """What came before the error in the same request is gone, and the next request works."""
    answers = iter([add(lambda: Seat(row=9, place=9)), CASES[name].act])

    async def act(session: AsyncSession) -> None:
        for step in answers:
            await step(session)
        seats = await session.scalar(select(func.count()).select_from(Seat))
        assert seats == 1

    async with shop_of(database_url, act) as client:
        assert (await client.post("/act")).status_code == CASES[name].status
        assert (await client.post("/act")).status_code == 200


@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_deferred_foreign_key_fails_at_commit(backend: Backend, database_url: str) -> None:
    """A constraint that is checked at COMMIT is answered as if it were checked at once."""
    ddl = [
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE children (parent_id INTEGER NOT NULL CONSTRAINT fk_children"
        " REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)",
    ]
    db = Database(database_url, schema="ignore")
    async with client_of(app_of(db, sql("INSERT INTO children VALUES (7)"))) as client:
        async with db.unit_of_work() as session:
            for statement in ddl:
                await session.execute(text(statement))
        fields = () if backend.is_sqlite else ("parent_id",)
        response = await client.post("/act")
        assert_problem(response, 409, "foreign_key_violation", _FOREIGN, fields=fields)
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SELECT count(*) FROM children")) == 0


async def get_one(session: AsyncSession) -> object:
    return await session.get_one(User, 99)


async def scalar_one(session: AsyncSession) -> object:
    return (await session.execute(select(User.email).where(User.id == 99))).scalar_one()


async def one(session: AsyncSession) -> object:
    return (await session.scalars(select(User).where(User.id == 99))).one()


async def two(session: AsyncSession) -> object:
    await add(lambda: User(email="bo@example.com"))(session)
    return (await session.scalars(select(User))).one()


async def stale(session: AsyncSession) -> None:
    user = await session.get_one(User, 1)
    await session.execute(text("UPDATE users SET version = version + 1"))
    user.nick = "ann"
    await session.flush()


@pytest.mark.parametrize("act", [get_one, scalar_one, one])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_row_is_404(act: Act, method: str, backend: Backend, database_url: str) -> None:
    """A row that is not there is answered with the name of its model."""
    async with shop_of(database_url, act) as client:
        response = await client.request(method, "/act")
    assert_problem(response, 404, "not_found", "User not found")


async def test_several_rows_are_500(backend: Backend, database_url: str) -> None:
    """A query that was to give one row and gives two is the program's mistake."""
    async with shop_of(database_url, two) as client:
        assert_problem(await client.post("/act"), 500, "internal_error")


async def test_stale_row_is_409(backend: Backend, database_url: str) -> None:
    """A row that somebody else changed meanwhile is not overwritten."""
    async with shop_of(database_url, stale) as client:
        assert_problem(await client.post("/act"), 409, "stale_data")


async def test_write_by_text_in_get_is_500(backend: Backend, database_url: str) -> None:
    """A GET that writes by a text is the program's mistake, and stores nothing."""
    act = sql("INSERT INTO seats VALUES (5, 5)")
    async with shop_of(database_url, act) as client:
        assert_problem(await client.get("/act"), 500, "internal_error")
        assert (await client.post("/act")).status_code == 200


@pytest.mark.backends("asyncpg", "psycopg")
async def test_serialization_failure_is_503(backend: Backend, database_url: str) -> None:
    """What cannot be serialised is answered with "try again"."""
    options: dict[str, Any] = {"metadata": Shop.metadata, "isolation_level": "SERIALIZABLE"}
    db = Database(database_url, **options)

    async def act(session: AsyncSession) -> None:
        user = await session.get_one(User, 1)
        async with db.unit_of_work() as other:
            await other.execute(update(User).values(nick="first"))
        user.nick = "later"
        await session.flush()

    async with client_of(app_of(db, act)) as client:
        await fill(db)
        response = await client.post("/act")
    assert_problem(response, 503, "busy")
    assert response.headers["retry-after"] == "1"


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_deadlock_is_503_for_one(backend: Backend, database_url: str) -> None:
    """Of two requests in a deadlock one succeeds, the other is told to try again."""
    db = Database(database_url, metadata=Shop.metadata, lock_timeout=10)
    app, barrier = FastAPI(), asyncio.Barrier(2)
    db.attach(app)

    @app.post("/lock/{first}/{second}")
    async def lock(first: int, second: int, session: SessionDep) -> None:
        await session.execute(update(Seat).where(Seat.row == first).values(place=2))
        await barrier.wait()
        await session.execute(update(Seat).where(Seat.row == second).values(place=2))

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Seat(row=1, place=1), Seat(row=2, place=1)])
        answers = await asyncio.gather(client.post("/lock/1/2"), client.post("/lock/2/1"))
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code == 200
    assert_problem(refused, 503, "busy")


async def test_held_lock_is_503(backend: Backend, database_url: str) -> None:
    """A row, or on SQLite the database, that another unit of work holds is answered in time."""
    db = Database(database_url, metadata=Shop.metadata, pool_timeout=0.2, lock_timeout=0.2)

    async def act(session: AsyncSession) -> None:
        await session.execute(update(Seat).values(place=2))

    async with client_of(app_of(db, act)) as client:
        await fill(db)
        async with db.unit_of_work() as holder:
            await act(holder)
            response = await client.post("/act")
    assert_problem(response, 503, "overloaded" if backend.is_sqlite else "busy")
    assert response.headers["retry-after"] == "1"


_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


async def _run_for_long(session: AsyncSession, backend: Backend) -> None:
    if backend.is_postgresql:
        await session.execute(text("SET LOCAL statement_timeout = 50"))
        await session.execute(text("SELECT pg_sleep(20)"))
    elif backend.is_mariadb:
        await session.execute(text("SET max_statement_time=0.05"))
        await session.execute(text(f"{_ENDLESS} SELECT count(*) FROM n a, n b, n c, n d"))
    else:
        raw = await (await session.connection()).get_raw_connection()
        interrupt = asyncio.create_task(_interrupt(raw.driver_connection))
        try:
            await session.execute(text(f"{_ENDLESS} SELECT count(*) FROM n"))
        finally:
            interrupt.cancel()


async def _interrupt(connection: Any) -> None:
    # More than once: a statement that has not begun yet is not interrupted.
    while True:
        await asyncio.sleep(0.05)
        connection.interrupt()


async def test_statement_that_takes_too_long_is_504(backend: Backend, database_url: str) -> None:
    """A statement that is stopped is answered as a timeout."""

    def act(session: AsyncSession) -> Awaitable[object]:
        return _run_for_long(session, backend)

    async with shop_of(database_url, act) as client:
        assert_problem(await client.post("/act"), 504, "timeout")


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_trigger_that_refuses_is_422(backend: Backend, database_url: str) -> None:
    """A refusal written in the database is the client's, and its text stays there."""
    act = sql(
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret 42'"
        if backend.is_mariadb
        else "DO $$ BEGIN RAISE EXCEPTION 'secret 42'; END $$"
    )
    async with shop_of(database_url, act) as client:
        response = await client.post("/act")
    assert_problem(response, 422, "rejected", "The database rejected the change.")


@pytest.mark.backends("sqlite")
async def test_sqlite_trigger_that_refuses_is_422(backend: Backend, database_url: str) -> None:
    """RAISE(ABORT) is a refusal too, not a violated CHECK."""

    async def act(session: AsyncSession) -> None:
        trigger = "BEFORE INSERT ON seats BEGIN SELECT RAISE(ABORT, 'secret 42'); END"
        await session.execute(text(f"CREATE TRIGGER no {trigger}"))
        await add(lambda: Seat(row=4, place=4))(session)

    async with shop_of(database_url, act) as client:
        response = await client.post("/act")
    assert_problem(response, 422, "rejected", "The database rejected the change.")
