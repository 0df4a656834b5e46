"""Other modules of SQLite: the same answers as with Python's own, from whatever they tell."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from ormolu import Database, resource
from ormolu.sqlite_codes import error_name
from tests.errors import _bare
from tests.errors._modules import each_module
from tests.errors._problem import assert_problem
from tests.errors._shop import Seat, Shop, User, add, app_of, new_user, shop_of
from tests.errors.test_error_map import CASES, sql
from tests.fixtures.apps import client_of

_ALL = [name for name, case in CASES.items() if "sqlite" not in case.accepted_by]


@each_module()
@pytest.mark.parametrize("name", _ALL)
async def test_kind(name: str, connect_args: Any, tmp_path: Path) -> None:
    """Each wrong input has the status and the code that it has with sqlite3, and the fields."""
    case = CASES[name]
    url = f"sqlite:///{tmp_path}/test.db"
    async with shop_of(url, case.act, connect_args=connect_args) as client:
        response = await client.post("/act")
    fields = case.fields if "sqlite" in case.named_by else ()
    assert_problem(response, case.status, case.code, case.detail, fields=fields)


async def refuse_by_trigger(session: AsyncSession) -> None:
    trigger = "BEFORE INSERT ON seats BEGIN SELECT RAISE(ABORT, 'secret 42'); END"
    await session.execute(text(f"CREATE TRIGGER no {trigger}"))
    await add(lambda: Seat(row=4, place=4))(session)


async def store_text_as_a_number(session: AsyncSession) -> None:
    await session.execute(text("CREATE TABLE strict_ones (number INTEGER) STRICT"))
    await session.execute(text("INSERT INTO strict_ones VALUES ('x')"))


async def store_text_as_a_key(session: AsyncSession) -> None:
    await session.execute(text("INSERT INTO users (id, email) VALUES ('x', 'y')"))


async def interrupt(session: AsyncSession) -> None:
    raw = await (await session.connection()).get_raw_connection()
    connection: Any = raw.driver_connection
    asyncio.get_running_loop().call_later(0.05, connection.interrupt)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    await session.execute(text(f"{endless} SELECT count(*) FROM n"))


_OWN = {
    "trigger": (refuse_by_trigger, 422, "rejected"),
    "strict": (store_text_as_a_number, 422, "invalid_value"),
    "key": (store_text_as_a_key, 422, "invalid_value"),
    "interrupt": (interrupt, 504, "timeout"),
    "syntax": (sql("SELEC 1"), 500, "internal_error"),
    "table": (sql("SELECT * FROM nowhere"), 500, "internal_error"),
}


@each_module()
@pytest.mark.parametrize("name", _OWN)
async def test_kind_of_sqlite_alone(name: str, connect_args: Any, tmp_path: Path) -> None:
    """So has what only SQLite says."""
    act, status, code = _OWN[name]
    async with shop_of(f"sqlite:///{tmp_path}/t.db", act, connect_args=connect_args) as client:
        assert_problem(await client.post("/act"), status, code)


@pytest.mark.long
@each_module()
async def test_lock(connect_args: Any, tmp_path: Path) -> None:
    """A lock of another program is waited for; one that stays is 503."""
    path = f"{tmp_path}/test.db"
    connect = connect_args.get("connect", connect_args["module"].connect)
    db = Database(
        f"sqlite:///{path}", metadata=Shop.metadata, lock_timeout=1.0, connect_args=connect_args
    )
    async with client_of(app_of(db, new_user())) as client:
        other = connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        assert_problem(await client.post("/act"), 503, "overloaded")
        asyncio.get_running_loop().call_later(0.1, other.execute, "ROLLBACK")
        assert (await client.post("/act")).status_code == 200
        other.close()


@pytest.mark.long
@each_module()
async def test_resource(connect_args: Any, tmp_path: Path) -> None:
    """A resource writes, by the short way and by the session, and refuses as ever."""
    db = Database(f"sqlite:///{tmp_path}/t.db", metadata=Shop.metadata, connect_args=connect_args)
    app = app_of(db, new_user())
    app.include_router(resource(User))
    async with client_of(app) as client:
        made = await client.post("/users", json={"email": "ann"})
        assert made.status_code == 201
        again = await client.post("/users", json={"email": "ann"})
        assert_problem(again, 409, "unique_violation", fields=("email",))
        batch = {"operations": [{"op": "create", "data": {"email": "ann"}}]}
        assert (await client.post("/users:batch", json=batch)).status_code == 409
        shown: httpx2.Response = await client.get("/users?fields=email")
        assert shown.json()["items"] == [{"email": "ann"}]


@each_module()
async def test_rows_past_a_limit_are_refused(connect_args: Any, tmp_path: Path) -> None:
    """The bound that we set ourselves is an error of the module's."""
    db = Database(f"sqlite:///{tmp_path}/t.db", metadata=Shop.metadata, connect_args=connect_args)

    async def act(session: AsyncSession) -> None:
        statement = select(User.email).execution_options(max_result_bytes=3)
        await session.execute(statement)

    async with client_of(app_of(db, act)) as client:
        async with db.unit_of_work() as session:
            session.add(User(email="ann@example.com"))
        assert_problem(await client.post("/act"), 413, "too_large")


async def test_engine_of_its_own(tmp_path: Path) -> None:
    """`create_async_engine(module=...)` takes such a module, without the rest of us."""
    engine = create_async_engine(f"sqlite+ormolu:///{tmp_path}/t.db", module=_bare)
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="no such table") as caught:
            await connection.execute(text("SELECT * FROM nowhere"))
    await engine.dispose()
    assert isinstance(caught.value.orig, _bare.OperationalError)
    assert error_name(caught.value.orig) == "SQLITE_ERROR"


async def test_connection_of_another_module_is_refused(tmp_path: Path) -> None:
    """`connect` alone would leave every error of it unread: the message has the line to write."""
    engine = create_async_engine(
        f"sqlite+ormolu:///{tmp_path}/t.db", connect_args={"connect": _bare.connect}
    )
    with pytest.raises(ArgumentError, match=r'connect_args=\{"module": '):
        await engine.connect()
    await engine.dispose()


@pytest.mark.parametrize(
    ("code", "text_", "name"),
    [
        (3091, "cannot store TEXT value in INT column s.a", "SQLITE_CONSTRAINT_DATATYPE"),
        (2067, "UNIQUE constraint failed: t.a", "SQLITE_CONSTRAINT_UNIQUE"),
        (19, "NOT NULL constraint failed: t.a", "SQLITE_CONSTRAINT_NOTNULL"),
        (19, "what a trigger says", "SQLITE_CONSTRAINT_TRIGGER"),
        (19, "constraint failed", "SQLITE_CONSTRAINT"),
        (1032, "attempt to write a readonly database", "SQLITE_READONLY"),
        (26, "file is not a database", "SQLITE_NOTADB"),
        (99, "of tomorrow", "SQLITE_ERROR"),
    ],
)
def test_name_by_code(code: int, text_: str, name: str) -> None:
    """A code tells the name where Python says "unknown" or a module says nothing."""
    for given in ("unknown", None):
        error = sqlite3.DatabaseError(text_)
        error.sqlite_errorcode = code
        if given is not None:
            error.sqlite_errorname = given
        assert error_name(error) == name
