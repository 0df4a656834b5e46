"""Faults on demand: what the application answers, and that nothing of it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, UsageError, resource
from ormolu.taps import FAULTS
from ormolu.testing import (
    assert_committed_before_response,
    assert_no_loop_block,
    count_statements,
    disconnect,
    fail_commit,
    fail_nth_statement,
    slow,
)
from ormolu.testing._blocking import IS_SUPPORTED
from ormolu.testing._client import client_of
from tests.fixtures.backends import Backend


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Town(Base):
    __tablename__ = "faulty_towns"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def app(database_url: str) -> FastAPI:
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Town))

    @app.post("/by-hand/{name}", status_code=201)
    async def create(name: str, session: SessionDep) -> None:
        session.add(Town(name=name))

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client


async def names(client: httpx2.AsyncClient) -> list[str]:
    return [each["name"] for each in (await client.get("/faulty_towns")).json()["items"]]


async def test_a_refused_statement(client: httpx2.AsyncClient) -> None:
    """The second statement of the block is refused as a deadlock's victim is; then all is well."""
    with fail_nth_statement(2) as fault:
        assert (await client.post("/by-hand/a")).status_code == 201
        assert (await client.post("/by-hand/b")).status_code == 503
        assert (await client.post("/by-hand/c")).status_code == 201
    assert fault.count == 1
    assert FAULTS == []
    assert await names(client) == ["a", "c"]


async def test_a_resource_goes_on_after_a_refused_statement(client: httpx2.AsyncClient) -> None:
    """Its requests are run again."""
    with fail_nth_statement(1) as fault:
        assert (await client.post("/faulty_towns", json={"name": "a"})).status_code == 201
    assert fault.count == 1
    assert await names(client) == ["a"]


async def test_a_refused_commit(client: httpx2.AsyncClient) -> None:
    """No answer is a success, and nothing is stored."""
    with fail_commit() as fault:
        assert (await client.post("/by-hand/a")).status_code == 503
    assert fault.count == 1
    assert await names(client) == []


async def test_slow_statements(client: httpx2.AsyncClient) -> None:
    """Each takes longer, and is sent all the same; the loop goes on."""
    with slow(0.01) as fault, count_statements() as statements:
        async with assert_no_loop_block(limit=5):
            assert (await client.post("/faulty_towns", json={"name": "a"})).status_code == 201
    assert fault.count == len(statements) > 0


async def test_a_lost_connection(client: httpx2.AsyncClient, backend: Backend) -> None:
    """The request fails or is done on another connection, and the next one is served."""
    if backend.is_sqlite:
        async with Database("sqlite://", metadata=Base.metadata) as database:
            with disconnect(), pytest.raises(UsageError, match="is a file"):
                async with database.unit_of_work() as session:
                    session.add(Town(name="a"))
        return
    with disconnect() as fault:
        answer = await client.post("/faulty_towns", json={"name": "a"})
    assert answer.status_code == 503
    assert fault.count == 1
    assert await names(client) == []
    assert (await client.post("/faulty_towns", json={"name": "b"})).status_code == 201


@pytest.mark.backends("asyncpg", "sqlite")
async def test_answers_before_the_commit(app: FastAPI, database_url: str) -> None:
    """A session of the program's own that commits late is told by its statement."""
    engine = create_async_engine(database_url.replace("sqlite:", "sqlite+ormolu:"))

    async def own_session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as session:
            yield session
            await session.commit()

    from fastapi import Depends

    @app.post("/late")
    async def late(session: AsyncSession = Depends(own_session)) -> None:  # noqa: B008
        session.add(Town(name="late"))
        await session.flush()

    async with client_of(app) as client:
        with assert_committed_before_response():
            await client.post("/faulty_towns", json={"name": "in time"})
        refused = pytest.raises(AssertionError, match="POST /late: INSERT INTO faulty_towns")
        with refused, assert_committed_before_response():
            await client.post("/late")
    await engine.dispose()


@pytest.mark.long
@pytest.mark.skipif(not IS_SUPPORTED, reason="reads Linux's /proc/self/task")
async def test_a_held_up_loop() -> None:
    """A callback that computes for too long is named."""
    with pytest.raises(AssertionError, match="The event loop was held up"):
        async with assert_no_loop_block(limit=0.02):
            sum(range(3_000_000))
