"""Pitfalls of when a transaction ends, and what of it is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, StreamingResponse

from ormolu import ConcurrentUseError, Database, SessionDep
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.pitfalls.guide import make_guide
from tests.pitfalls.tables import Base, Guest, Plain, PlainGuest, PlainPurchase, Purchase

DEFERRING = pytest.mark.backends("sqlite", "asyncpg", "psycopg")


async def count(db: Database, model: type[Any] = Guest) -> int:
    """Count the stored rows of a model."""
    async with db.unit_of_work(read_only=True) as session:
        return int(await session.scalar(select(func.count()).select_from(model)) or 0)


def make(url: str, **options: Any) -> tuple[FastAPI, Database]:
    """Return an application with a database."""
    app, db = FastAPI(), Database(url, metadata=Base.metadata, **options)
    db.attach(app)
    return app, db


@DEFERRING
async def test_pitfall_01_commit_after_the_response(database_url: str) -> None:
    """A COMMIT that fails is a 409 and stores nothing; the guide's client holds a 200."""
    app, db = make(database_url)

    @app.post("/orders", status_code=201)
    async def create(session: SessionDep) -> str:
        session.add(Purchase(user_id=999))
        return "stored"

    async with client_of(app) as client:
        answer = await client.post("/orders")
        assert (answer.status_code, answer.json()["code"]) == (409, "foreign_key_violation")
        assert await count(db, Purchase) == 0


@pytest.mark.backends("asyncpg", "psycopg")
async def test_guide_has_pitfall_01(database_url: str) -> None:
    """The guide's program answers 201 for what it could not store."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.post("/orders", status_code=201)
    async def create(session: Annotated[AsyncSession, Depends(guide.get_db)]) -> str:
        session.add(PlainPurchase(user_id=999))
        return "stored"

    async with client_of(guide.app) as client:
        assert (await client.post("/orders")).status_code == 201
        async with guide.maker() as session:
            assert (await session.scalars(select(PlainPurchase.id))).all() == []


async def test_pitfall_02_connection_held_while_streaming(database_url: str) -> None:
    """A slow stream holds no connection: on a pool of one, other requests go on."""
    app, _ = make(database_url, pool_size=1, max_overflow=0)
    is_read = asyncio.Event()

    @app.get("/stream")
    async def stream(session: SessionDep) -> StreamingResponse:
        await session.scalar(select(func.count()).select_from(Guest))

        async def pages() -> AsyncIterator[str]:
            yield "first"
            await is_read.wait()
            yield "last"

        return StreamingResponse(pages())

    @app.get("/count")
    async def number(session: SessionDep) -> int:
        return await session.scalar(select(func.count()).select_from(Guest)) or 0

    async with client_of(app) as client:
        slow = asyncio.ensure_future(client.get("/stream"))
        await asyncio.sleep(0.1)
        assert (await client.get("/count")).status_code == 200
        is_read.set()
        assert (await slow).text == "firstlast"


async def test_guide_has_pitfall_02(database_url: str) -> None:
    """The guide's stream holds its connection to the last byte."""
    guide = make_guide(database_url, Plain.metadata, pool_size=1, max_overflow=0)
    held: list[int] = []

    @guide.app.get("/stream")
    async def stream(
        session: Annotated[AsyncSession, Depends(guide.get_db)],
    ) -> StreamingResponse:
        await session.scalar(select(func.count()).select_from(PlainGuest))

        async def pages() -> AsyncIterator[str]:
            held.append(guide.engine.sync_engine.pool.checkedout())  # type: ignore[attr-defined]
            yield "all"

        return StreamingResponse(pages())

    async with client_of(guide.app) as client:
        await client.get("/stream")
    assert held == [1]


@DEFERRING
async def test_pitfall_05_background_task_before_commit(database_url: str) -> None:
    """A background task sees the row, and does not run if there is none."""
    app, db = make(database_url)
    seen: list[int] = []

    async def look() -> None:
        seen.append(await count(db))

    @app.post("/users")
    async def create(name: str, session: SessionDep, tasks: BackgroundTasks) -> str:
        session.add(Guest(name=name))
        if name == "bad":
            session.add(Purchase(user_id=999))
        tasks.add_task(look)
        return name

    async with client_of(app) as client:
        assert (await client.post("/users?name=good")).status_code == 200
        assert (await client.post("/users?name=bad")).status_code == 409
    assert seen == [1]


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_guide_has_pitfall_05(database_url: str) -> None:
    """The guide's background task runs before the row is there."""
    guide = make_guide(database_url, Plain.metadata)
    seen: list[int] = []

    async def look() -> None:
        async with guide.maker() as session:
            seen.append(len((await session.scalars(select(PlainGuest.id))).all()))

    @guide.app.post("/users")
    async def create(
        session: Annotated[AsyncSession, Depends(guide.get_db)], tasks: BackgroundTasks
    ) -> str:
        session.add(PlainGuest(name="a"))
        tasks.add_task(look)
        return "a"

    async with client_of(guide.app) as client:
        await client.post("/users")
    assert seen == [0]


async def test_pitfall_07_forgotten_commit(database_url: str) -> None:
    """A route that adds and never commits stores its row."""
    app, db = make(database_url)

    @app.post("/users", status_code=201)
    async def create(session: SessionDep) -> str:
        session.add(Guest(name="a"))
        return "a"

    async with client_of(app) as client:
        assert (await client.post("/users")).status_code == 201
        assert await count(db) == 1


async def test_pitfall_07_returned_error_stores_nothing(database_url: str) -> None:
    """An error that is returned, not raised, rolls back like one that is raised."""
    app, db = make(database_url)

    @app.post("/users")
    async def create(session: SessionDep) -> JSONResponse:
        session.add(Guest(name="a"))
        await session.flush()
        return JSONResponse({"error": "no"}, status_code=400)

    async with client_of(app) as client:
        assert (await client.post("/users")).status_code == 400
        assert await count(db) == 0


async def test_guide_has_pitfall_07(database_url: str) -> None:
    """The guide's dependency commits a request that answers 400."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.post("/users")
    async def create(session: Annotated[AsyncSession, Depends(guide.get_db)]) -> JSONResponse:
        session.add(PlainGuest(name="a"))
        return JSONResponse({"error": "no"}, status_code=400)

    async with client_of(guide.app) as client:
        assert (await client.post("/users")).status_code == 400
        async with guide.maker() as session:
            assert len((await session.scalars(select(PlainGuest.id))).all()) == 1


async def test_pitfall_10_two_sessions_in_one_request(database_url: str) -> None:
    """Dependencies of every kind and scope get the session of the route."""
    app, _ = make(database_url, pool_size=1, max_overflow=0)

    async def by_yield(session: SessionDep) -> AsyncIterator[AsyncSession]:
        yield session

    async def by_value(session: SessionDep) -> AsyncSession:
        return session

    @app.get("/same")
    async def same(
        session: SessionDep,
        first: Annotated[AsyncSession, Depends(by_yield)],
        second: Annotated[AsyncSession, Depends(by_yield, scope="function")],
        third: Annotated[AsyncSession, Depends(by_value, use_cache=False)],
    ) -> bool:
        return session is first is second is third

    async with client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/same") for _ in range(40)))
    assert {(answer.status_code, answer.json()) for answer in answers} == {(200, True)}


async def test_guide_has_pitfall_10(database_url: str) -> None:
    """The guide's dependency in two scopes is two sessions."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.get("/same")
    async def same(
        first: Annotated[AsyncSession, Depends(guide.get_db)],
        second: Annotated[AsyncSession, Depends(guide.get_db, scope="function")],
    ) -> bool:
        return first is second

    async with client_of(guide.app) as client:
        assert (await client.get("/same")).json() is False


async def test_pitfall_11_integrity_error_is_a_500(database_url: str) -> None:
    """A unique violation is a 409 with its field, and the session of the next request works."""
    app, _ = make(database_url, pool_size=1, max_overflow=0)

    @app.post("/users", status_code=201)
    async def create(session: SessionDep) -> str:
        session.add(Guest(name="a"))
        return "a"

    async with client_of(app) as client:
        assert (await client.post("/users")).status_code == 201
        for _ in range(3):
            answer = await client.post("/users")
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "/name")
            assert answer.json()["detail"] == "A guest with this name already exists."


async def test_guide_has_pitfall_11(database_url: str) -> None:
    """The guide's program answers a unique violation with 500."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.post("/users")
    async def create(session: Annotated[AsyncSession, Depends(guide.get_db)]) -> str:
        session.add(PlainGuest(name="a"))
        await session.flush()
        return "a"

    async with client_of(guide.app) as client:
        await client.post("/users")
        assert (await client.post("/users")).status_code == 500


async def test_pitfall_26_dependency_swallows_the_exception(database_url: str) -> None:
    """A dependency that swallows the route's exception stores nothing of it."""
    app, db = make(database_url)

    async def swallowing(session: SessionDep) -> AsyncIterator[AsyncSession]:
        try:
            yield session
        except Exception:
            await session.rollback()

    @app.post("/users")
    async def create(session: Annotated[AsyncSession, Depends(swallowing)]) -> str:
        session.add(Guest(name="a"))
        await session.flush()
        raise ValueError

    async with client_of(app) as client:
        answer = await client.post("/users")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert await count(db) == 0


@pytest.mark.long
async def test_pitfall_27_one_error_poisons_later_requests(database_url: str) -> None:
    """Each request has a session of its own: one that broke breaks no later one."""
    app, _ = make(database_url, pool_size=1, max_overflow=0)
    kept: list[AsyncSession] = []

    @app.post("/users")
    async def create(name: str, session: SessionDep) -> str:
        kept.append(session)
        session.add_all([Guest(name=name), Guest(name=name)] if name == "twice" else [])
        return name

    async with client_of(app) as client:
        for _ in range(20):
            assert (await client.post("/users?name=twice")).status_code == 409
            assert (await client.post("/users?name=once")).status_code == 200
    assert len({id(session) for session in kept}) == 40


async def test_pitfall_30_one_session_in_two_tasks(database_url: str) -> None:
    """Two tasks on one session is an error that says what to write, on a warm pool too."""
    app, db = make(database_url)

    @app.get("/both")
    async def both(session: SessionDep) -> None:
        await asyncio.gather(session.scalar(select(func.now())), session.scalar(select(func.now())))

    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.get("/both")).status_code == 500
    with pytest.raises(ConcurrentUseError, match="unit_of_work"):
        async with db, db.unit_of_work() as session:
            await asyncio.gather(*(session.scalar(select(func.now())) for _ in range(3)))


@pytest.mark.backends("sqlite", "mariadb")
async def test_guide_has_pitfall_30(database_url: str) -> None:
    """On a warm pool the guide's program shows nothing, until the day it does."""
    guide = make_guide(database_url, Plain.metadata)
    async with guide.maker() as session:
        await session.scalar(select(func.now()))
        await asyncio.gather(*(session.scalar(select(func.now())) for _ in range(3)))
    await guide.engine.dispose()


async def test_pitfall_31_begin_twice(database_url: str) -> None:
    """`session.begin()` after a query is a SAVEPOINT, and the unit of work still commits."""
    app, db = make(database_url)

    @app.post("/users")
    async def create(session: SessionDep) -> str:
        await session.scalar(select(func.count()).select_from(Guest))
        async with session.begin():
            session.add(Guest(name="kept"))
        with pytest.raises(ValueError, match="undo"):
            async with session.begin_nested():
                session.add(Guest(name="undone"))
                await session.flush()
                raise ValueError("undo")
        return "stored"

    async with client_of(app) as client:
        assert (await client.post("/users")).status_code == 200
    async with db, db.unit_of_work(read_only=True) as session:
        assert (await session.scalars(select(Guest.name))).all() == ["kept"]


async def test_pitfall_32_cancelled_work_is_committed(backend: Backend, database_url: str) -> None:
    """A client that leaves in the middle commits nothing by halves, and leaks no connection."""
    app, db = make(database_url)
    is_flushed = asyncio.Event()

    @app.post("/users")
    async def create(session: SessionDep) -> str:
        session.add(Guest(name="half"))
        await session.flush()
        is_flushed.set()
        await asyncio.sleep(30)
        return "whole"

    async with client_of(app) as client:
        request = asyncio.ensure_future(client.post("/users"))
        await is_flushed.wait()
        request.cancel()
        await asyncio.wait({request})
        pool = db.engine.sync_engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]
        assert await count(db) == 0
    assert backend.name
