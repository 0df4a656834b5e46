"""Who listens to connections, statements or sessions is not passed by, whenever they began to."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from ormolu import Database
from ormolu.lanes import NotDoneError, lanes_of
from ormolu.resources import explain_application
from ormolu.sessions import has_session_listeners
from tests.lanes.things import Served, Thing, served, statuses

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

HEARD = {
    f"the program listens to the statements of db.{name}, or logs them"
    for name in ("engine", "reader_engine")
}

_NUMBERS = itertools.count()

ALL = ["POST /things", "GET /things/1", "GET /things", "PATCH /things/1"]

_ENGINE_EVENTS = (
    "after_cursor_execute", "after_execute", "before_cursor_execute", "before_execute", "begin",
    "commit", "do_execute", "engine_connect", "rollback",
)  # fmt: skip
_SESSION_EVENTS = (
    "after_begin", "after_commit", "after_transaction_create", "after_transaction_end",
    "before_commit", "do_orm_execute",
)  # fmt: skip


async def send_all(shop: Served) -> list[str]:
    """Send one request of each kind; return what was handed over."""
    shop.passed_on.clear()
    answers = [
        await shop.create(f"another {next(_NUMBERS)}"), await shop.read(1),
        await shop.client.get("/things"), await shop.change(1, number=3),
    ]  # fmt: skip
    assert statuses(answers) == [201, 200, 200, 200]
    return list(shop.passed_on)


def counter(called: list[str], name: str) -> Callable[..., None]:
    """Return a listener to any event."""

    def listen(*_: Any) -> None:
        called.append(name)

    return listen


@contextmanager
def listening(target: Any, name: str) -> Iterator[None]:
    """Listen to an event for a while."""
    listener = counter([], name)
    event.listen(target, name, listener)
    yield
    event.remove(target, name, listener)


async def check(shop: Served, target: Any, *names: str) -> None:
    """Check that a listener to each of these events is heard from its first request to its last."""
    for name in names:
        called: list[str] = []
        listener = counter(called, name)
        event.listen(target, name, listener)
        try:
            assert await send_all(shop) == ALL, name
            assert called
        finally:
            event.remove(target, name, listener)
        assert await send_all(shop) == []


@pytest.mark.long
async def test_engines(database_url: str) -> None:
    """A tracer, or what sets a role for each transaction, hears the statements of its engine."""
    async with served(database_url) as shop:
        await shop.fill(1)
        called: list[str] = []
        for name in _ENGINE_EVENTS:
            listeners = {
                each.sync_engine: counter(called, name)
                for each in (shop.db.reader_engine, shop.db.engine)
            }
            for engine, listener in listeners.items():
                event.listen(engine, name, listener)
            assert await send_all(shop) == ALL, name
            for engine, listener in listeners.items():
                event.remove(engine, name, listener)
        assert {"before_cursor_execute", "do_execute", "engine_connect"} <= set(called)
        assert await send_all(shop) == []


@pytest.mark.long
async def test_listeners_from_the_start(database_url: str) -> None:
    """Who listened to all engines before there was one is not taken for one of ours."""
    called: list[str] = []
    listener = counter(called, "begin")
    event.listen(Engine, "before_cursor_execute", listener)
    try:
        async with served(database_url) as shop:
            assert await send_all(shop) == ALL
    finally:
        event.remove(Engine, "before_cursor_execute", listener)


@pytest.mark.long
async def test_one_engine(database_url: str) -> None:
    """Who listens to one of the two engines hears of its requests; the others have their doors."""
    async with served(database_url) as shop:
        await shop.fill(1)
        for engine, requests in (
            (shop.db.reader_engine, ["GET /things/1", "GET /things"]),
            (shop.db.engine, ["POST /things", "PATCH /things/1"]),
        ):
            called: list[str] = []
            listener = counter(called, "statement")
            event.listen(engine.sync_engine, "before_cursor_execute", listener)
            assert await send_all(shop) == requests
            assert called
            event.remove(engine.sync_engine, "before_cursor_execute", listener)


@pytest.mark.long
async def test_makers_of_engines(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wraps `create_async_engine` after we were imported, as a tracer does, hears of all."""
    called: list[str] = []
    listener = counter(called, "statement")

    def make(*args: Any, **options: Any) -> Any:
        engine = create_async_engine(*args, **options)
        event.listen(engine.sync_engine, "before_cursor_execute", listener)
        return engine

    monkeypatch.setattr("sqlalchemy.ext.asyncio.create_async_engine", make)
    async with served(database_url) as shop:
        called.clear()
        assert await send_all(shop) == ALL
        assert len(called) >= len(ALL)
        assert {each.reason for each in explain_application(shop.app)} >= HEARD


@pytest.mark.long
@pytest.mark.parametrize("name", ["sqlalchemy.engine", "sqlalchemy.engine.Engine"])
async def test_logs(database_url: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each statement stands in the log where that is switched on, by its level or by `echo`."""
    async with served(database_url) as shop:
        await shop.fill(1)
        assert await send_all(shop) == []
        with caplog.at_level(logging.INFO, name):
            assert await send_all(shop) == ALL
        assert all(word in caplog.text for word in ("INSERT", "SELECT", "UPDATE"))
        assert await send_all(shop) == []
        for engine in (shop.db.engine, shop.db.reader_engine):
            engine.echo = True
        with caplog.at_level(logging.INFO, "sqlalchemy"):
            assert await send_all(shop) == ALL
        for engine in (shop.db.engine, shop.db.reader_engine):
            engine.echo = False


@pytest.mark.long
async def test_explanations(database_url: str) -> None:
    """`explain` says who listens, be it before the engines are there or once they are."""
    async with served(database_url) as shop:
        names = {each.operation: each for each in explain_application(shop.app)}
        assert names["read"].way == names["create"].way == "front door"
        with listening(shop.db.reader_engine.sync_engine, "before_cursor_execute"):
            names = {each.operation: each for each in explain_application(shop.app)}
            assert names["read"].reason in HEARD
            assert names["create"].way == "front door"
        app, db = shop.app, shop.db
    assert db._engines._opened == {}
    with listening(Engine, "after_execute"):
        assert {each.reason for each in explain_application(app)} >= HEARD
    with listening(Session, "do_orm_execute"):
        reasons = {each.reason for each in explain_application(app)}
        assert "the program listens to sessions, and may add to each statement" in reasons


@pytest.mark.long
async def test_all_engines(database_url: str) -> None:
    """So is one that listens to all engines, and to all their pools."""
    async with served(database_url) as shop:
        await shop.fill(1)
        await check(shop, Engine, "before_cursor_execute", "engine_connect")
        await check(shop, Pool, "checkout", "checkin", "reset")


@pytest.mark.long
async def test_sessions(database_url: str) -> None:
    """What a program adds to each session's statements, as a filter for tenants, is added."""
    async with served(database_url) as shop:
        await shop.fill(1)
        await check(shop, Session, *_SESSION_EVENTS)


@pytest.mark.long
async def test_mappers(database_url: str) -> None:
    """Who listens to the rows of a model hears of each, also if they began to after the first."""
    async with served(database_url) as shop:
        await shop.fill(9)
        first = [await shop.change(1, number=1), await shop.client.delete("/things/9")]
        assert statuses(first) == [200, 204]
        for key, name in enumerate(("before_insert", "after_update", "before_delete"), 2):
            called: list[str] = []
            listener = counter(called, name)
            event.listen(Thing, name, listener)
            try:
                answers = [await shop.create(name), await shop.change(1, number=key)]
                answers.append(await shop.client.delete(f"/things/{key}"))
            finally:
                event.remove(Thing, name, listener)
            assert statuses(answers) == [201, 200, 204]
            assert called == [name]
        shop.passed_on.clear()
        assert statuses([await shop.change(1, number=3)]) == [200]
        assert shop.passed_on == []


@pytest.mark.long
@pytest.mark.parametrize("option", [{"echo": True}, {"pool_size": 1, "max_overflow": 0}], ids=str)
async def test_options_without_lanes(database_url: str, option: dict[str, Any]) -> None:
    """Requests of such a database are not put together, nor is its only connection kept."""
    async with served(database_url, **option) as shop:
        assert await send_all(shop) == ALL
        assert (await shop.create("x", -1)).status_code == 422
        with pytest.raises(NotDoneError):
            _ = shop.lanes


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize(
    "option", [{"isolation_level": "SERIALIZABLE"}, {"pooler": "transaction"}], ids=str
)
async def test_postgresql_without_lanes(database_url: str, option: dict[str, Any]) -> None:
    """Requests of such a database are not one transaction, or no connection can be kept."""
    async with served(database_url, **option) as shop:
        assert await send_all(shop) == ALL


@pytest.mark.long
@pytest.mark.backends("sqlite", "psycopg")
async def test_drivers_without_lanes(database_url: str) -> None:
    """Other drivers have none, nor has a database that is not open."""
    url = database_url.replace("sqlite:", "sqlite+aiosqlite:")
    async with served(url) as shop:
        assert await send_all(shop) == ALL
    with pytest.raises(NotDoneError):
        lanes_of(Database(database_url)._engines, has_session_listeners)
