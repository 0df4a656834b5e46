"""Engines of one test serve the next one, as far as nobody can tell them from new ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

from ormolu import Database, Policy, resource
from ormolu.testing._client import client_of
from ormolu.testing._copies import Workshop
from tests.testing.project.main import Base, Town

COUNT = select(func.count()).select_from(Town)
# The dialect of MariaDB takes the database for its schema, and knows one only.
MOVING = pytest.mark.backends("sqlite", "asyncpg", "psycopg")


class Project:
    """A database that moves from test to test."""

    def __init__(self, url: str) -> None:
        self.db = Database(url, metadata=Base.metadata)
        self.workshop = Workshop(url)
        self.engines: list[Any] = []

    @asynccontextmanager
    async def within_test(self) -> AsyncIterator[Database]:
        """Be open as in a test of its own, in which both engines have connected."""
        with self.workshop.databases([self.db.migrations.engines], None):
            async with self.db as db:
                for engine in (db.reader_engine, db.engine):
                    async with engine.connect() as connection:
                        assert await connection.scalar(COUNT) == 0
                self.engines = [db.reader_engine.sync_engine, db.engine.sync_engine]
                yield db


@pytest.fixture
def project(database_url: str) -> Iterator[Project]:
    project = Project(database_url)
    yield project
    project.workshop.close()


async def add_town(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add(Town(name="Oslo"))


@MOVING
async def test_the_next_test_has_them(project: Project) -> None:
    """They lead to its own database and to no other, and its `engine` is no other test's."""
    async with project.within_test() as db:
        before, first, place = project.engines, db.engine, db.url
        await add_town(db)
    async with project.within_test() as db:
        assert project.engines == before
        assert db.engine is not first
        assert db.engine.url == db.url != place
        await add_town(db)


async def test_the_schema_is_that_of_the_test(project: Project) -> None:
    """What is read of a database is of the one that the test has."""
    for _ in range(2):
        async with project.within_test() as db, db.engine.connect() as connection:
            await connection.execute(text("CREATE TABLE own (id INTEGER)"))
            names = await connection.run_sync(lambda each: inspect(each).get_table_names())
            assert sorted(names) == ["own", "towns"]
            await connection.rollback()


async def test_what_opens_again_has_new_ones(project: Project) -> None:
    """Within a test nothing serves again that the program has closed."""
    async with project.within_test() as db:
        await db.close()
        await db.open()
        assert db.engine.sync_engine is not project.engines[1]


@MOVING
async def test_nothing_is_known_of_the_server_of_before(project: Project) -> None:
    """A disk that was full in one test is not so in the next one."""
    async with project.within_test() as db:
        before = db.migrations.engines.opened
        before.server.condition.note_refusal("storage_full")
        before.server.file = None
        assert before.server.condition.refusal
    async with project.within_test() as db:
        after = db.migrations.engines.opened
        assert after.server is before.server
        assert after.server.condition.refusal is None
        assert after.precedence is not before.precedence
        assert (after.server.ask is None) is (before.server.timeout is None)


def listen(engines: list[Any]) -> None:
    event.listen(engines[1], "begin", lambda _connection: None)


def listen_to_a_pool(engines: list[Any]) -> None:
    event.listen(engines[0], "checkout", lambda *_: None)


def set_options(engines: list[Any]) -> None:
    engines[1].update_execution_options(own=True)


def change_a_dialect(engines: list[Any]) -> None:
    engines[0].dialect.server_version_info = (1, 0)


def add_to_a_dialect(engines: list[Any]) -> None:
    engines[0].dialect.insert_returning = "own"


CHANGES = (listen, listen_to_a_pool, set_options, change_a_dialect, add_to_a_dialect)


@pytest.mark.parametrize("change", CHANGES)
async def test_changed_ones_serve_no_more(
    project: Project, change: Callable[[list[Any]], None]
) -> None:
    """What a test hangs on an engine, or tells it, is gone with the test."""
    async with project.within_test():
        changed = project.engines
        change(changed)
    async with project.within_test():
        assert not set(project.engines) & set(changed)


async def test_ones_in_use_serve_no_more(project: Project) -> None:
    """A connection that a test has left is not one of the next test."""
    async with project.within_test() as db:
        before = project.engines
        connection = await db.engine.connect()
        await db.close()
        await connection.invalidate()
        await connection.close()
    async with project.within_test():
        assert not set(project.engines) & set(before)


async def test_first_connections_are_heard_in_each_test(project: Project) -> None:
    """Who listens to first connections hears one of each engine in each test."""
    heard: list[Any] = []
    project.db.listens_for("first_connect")(lambda *_: heard.append(1))
    async with project.within_test():
        pass
    heard.clear()
    async with project.within_test():
        assert len(heard) == 2


@MOVING
async def test_listeners_of_the_database_hear_each_test(project: Project) -> None:
    """A listener to connections hears those of engines that serve again."""
    heard: list[Any] = []
    project.db.listens_for("connect")(lambda *_: heard.append(1))
    async with project.within_test():
        before = project.engines
    heard.clear()
    async with project.within_test():
        assert project.engines == before
        assert len(heard) == 2


async def all_towns() -> Policy:
    return Policy(visible=Town.id > 0)


@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("policy", [None, all_towns])
async def test_listeners_of_a_mapper_hear_the_next_test(project: Project, policy: Any) -> None:
    """What a lane has done in one test, with a plan, the ORM does where somebody listens since."""
    heard: list[str] = []
    app = FastAPI()
    project.db.attach(app)
    app.include_router(resource(Town, policy=policy))

    def hear(_mapper: Any, _connection: Any, town: Town) -> None:
        heard.append(town.name)

    async with project.within_test() as db, client_of(app) as client:
        before = project.engines
        assert (await client.post("/towns", json={"name": "Oslo"})).status_code == 201
        assert db.migrations.engines.counts.lane_writes.statements == 1
    event.listen(Town, "before_insert", hear)
    try:
        async with project.within_test(), client_of(app) as client:
            assert project.engines == before
            assert (await client.post("/towns", json={"name": "Rome"})).status_code == 201
    finally:
        event.remove(Town, "before_insert", hear)
    assert heard == ["Rome"]


async def test_a_tracer_makes_new_ones(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What wraps SQLAlchemy's function to make engines is called for the tests that it is for."""
    made: list[Any] = []
    make = sqlalchemy_asyncio.create_async_engine

    def traced(*args: Any, **options: Any) -> Any:
        made.append(make(*args, **options))
        return made[-1]

    async with project.within_test():
        pass
    monkeypatch.setattr(sqlalchemy_asyncio, "create_async_engine", traced)
    async with project.within_test():
        assert [each.sync_engine for each in made] == project.engines


@pytest.mark.backends("sqlite")
async def test_errors_name_the_file_of_now(project: Project) -> None:
    """An error of the file names the one of the test."""
    async with project.within_test():
        pass
    async with project.within_test() as db, db.engine.begin() as connection:
        await connection.execute(text("PRAGMA max_page_count = 1"))
        with pytest.raises(DBAPIError, match=str(db.url.database)):
            for number in range(100):
                await connection.execute(text(f"CREATE TABLE t{number} (id INTEGER)"))
