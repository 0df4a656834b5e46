"""Reads let their connection go between statements, and only where nothing of them stays on it."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database, ReadSessionDep, SessionDep
from ormolu.transactions import Access
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.integration.notes import Note, make_database

SERVERS = pytest.mark.backends("asyncpg", "psycopg", "mariadb")
POSTGRESQL = pytest.mark.backends("asyncpg", "psycopg")


def in_use(db: Database, access: Access) -> int:
    """Return how many connections for reading, or for writing, are in use."""
    pool = db._engines.opened.of(access).sync_engine.pool
    return int(pool.checkedout())  # type: ignore[attr-defined]


@SERVERS
async def test_read_lets_its_connection_go(database_url: str) -> None:
    """After each query, of a pool that is short; its objects stay, and more can be read."""
    async with make_database(database_url, pool_size=1) as db:
        async with db.unit_of_work() as session:
            session.add_all([Note(text="a"), Note(text="b")])
        async with db.unit_of_work(read_only=True) as session:
            first = await session.get_one(Note, 1)
            assert in_use(db, Access.READ) == 0
            assert [note.text for note in await session.scalars(select(Note))] == ["a", "b"]
            assert await session.get(Note, 1) is first
            assert await session.scalar(select(func.count(Note.id))) == 2
            assert await session.scalar(text("SELECT 1")) == 1
            await session.refresh(first)
            assert in_use(db, Access.READ) == 0


@SERVERS
async def test_many_reads_share_one_connection(database_url: str) -> None:
    """Twenty that wait for each other between their statements need no more."""
    db = make_database(database_url, pool_size=1, max_overflow=0)
    barrier = asyncio.Barrier(20)

    async def read() -> None:
        async with db.unit_of_work(read_only=True) as session:
            await session.scalars(select(Note))
            await barrier.wait()
            await session.scalars(select(Note))

    async with db:
        await asyncio.gather(*(read() for _ in range(20)))


@POSTGRESQL
@pytest.mark.parametrize("how", ["set_config", "SET", "select"])
async def test_what_a_connection_was_told_is_not_lost(database_url: str, how: str) -> None:
    """A tenant that is set with one statement is that of the next: they share a connection."""
    async with make_database(database_url, pool_size=1) as db:

        async def read(tenant: str) -> str:
            async with db.unit_of_work(read_only=True) as session:
                if how == "SET":
                    await session.execute(text(f"SET app.tenant = '{tenant}'"))
                elif how == "set_config":
                    told = text("SELECT set_config('app.tenant', :tenant, false)")
                    await session.execute(told, {"tenant": tenant})
                else:
                    await session.execute(select(func.set_config("app.tenant", tenant, False)))
                await asyncio.sleep(0)
                await session.scalars(select(Note))
                await asyncio.sleep(0)
                shown = await session.scalars(text("SHOW app.tenant"))
                return str(shown.one())

        tenants = [str(number) for number in range(10)]
        assert await asyncio.gather(*map(read, tenants)) == tenants
        assert in_use(db, Access.READ) == 0


@SERVERS
async def test_connection_is_kept_where_there_are_enough(database_url: str) -> None:
    """To take it anew for each statement would cost more than it is worth."""
    async with make_database(database_url) as db:
        async with db.unit_of_work(read_only=True) as session:
            await session.scalars(select(Note))
            assert in_use(db, Access.READ) == 1
        assert in_use(db, Access.READ) == 0


@SERVERS
async def test_connection_that_was_handed_out_stays(database_url: str) -> None:
    """As does one that a stream, or a function below, may hold."""
    async with make_database(database_url, pool_size=1) as db:
        async with db.unit_of_work(read_only=True) as session:
            connection = await session.connection()
            await session.scalars(select(Note))
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        async with db.unit_of_work(read_only=True) as session:
            below = await session.run_sync(lambda each: each.connection())
            await session.scalars(select(Note))
            assert not below.closed
        async with db.unit_of_work(read_only=True) as session:
            rows = await session.stream(text("SELECT 1 UNION ALL SELECT 2 ORDER BY 1"))
            assert in_use(db, Access.READ) == 1
            assert [row[0] async for row in rows] == [1, 2]
        assert in_use(db, Access.READ) == 0


@pytest.mark.long
async def test_asking_who_calls_takes_no_lock(backend: Backend, database_url: str) -> None:
    """Requests that ask something, and wait for each other before they write: none holds the lock.

    Nor a connection for reading, of which there is one.
    """
    db = make_database(database_url, pool_size=1, max_overflow=0)
    app, barrier = FastAPI(), asyncio.Barrier(20)
    db.attach(app)

    @app.post("/login", status_code=201)
    async def login(reads: ReadSessionDep, session: SessionDep) -> int:
        assert reads is not session
        name = await reads.scalar(select(Note.text).where(Note.id == 1))
        await barrier.wait()
        note = Note(text=f"{name} was here")
        session.add(note)
        await session.flush()
        return note.id

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Note(text="Ann"))
        answers = await asyncio.gather(*(client.post("/login") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json() for answer in answers}) == 20
        assert (in_use(db, Access.READ), in_use(db, Access.WRITE)) == (0, 0)


async def test_read_session_only_reads(database_url: str) -> None:
    """It is the request's own where that only reads; what it has read may be streamed, too."""
    db = make_database(database_url)
    app = FastAPI()
    db.attach(app)

    @app.get("/same")
    async def same(reads: ReadSessionDep, session: SessionDep) -> bool:
        return reads is session

    @app.post("/write")
    async def write(reads: ReadSessionDep) -> None:
        reads.add(Note(text="no"))
        await reads.flush()

    @app.post("/stream")
    async def stream(reads: ReadSessionDep) -> list[int]:
        rows = await reads.stream(text("SELECT 1 UNION ALL SELECT 2 ORDER BY 1"))
        return [row[0] async for row in rows]

    async with client_of(app) as client:
        assert (await client.get("/same")).json() is True
        answer = await client.post("/write")
        assert (answer.status_code, "only reads" in answer.text) == (500, False)
        assert (await client.post("/stream")).json() == [1, 2]
        assert (in_use(db, Access.READ), in_use(db, Access.WRITE)) == (0, 0)


async def test_read_session_of_a_second_database(database_url: str) -> None:
    """`db.read_session` is the dependency, as `db.session` is."""
    first, second = Database("sqlite://"), make_database(database_url)
    app = FastAPI()
    first.attach(app)
    second.attach(app)

    @app.post("/count")
    async def count(reads: ReadSessionDep) -> int:
        return 0 if reads is None else 1

    given = Depends(second.read_session)

    @app.post("/second")
    async def of_second(reads: AsyncSession = given) -> int:
        return len((await reads.scalars(select(Note))).all())

    async with client_of(app) as client:
        assert (await client.post("/count")).json() == 1
        assert (await client.post("/second")).json() == 0
