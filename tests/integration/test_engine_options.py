"""What a program says of the engines itself: options, and listeners to both."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import JSON, MetaData, text
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import ConfigurationError, Database, Model, resource
from ormolu.resources import explain_application
from tests.fixtures.apps import client_of
from tests.integration.notes import make_app, make_database, texts_in


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class Bag(Base):
    __tablename__ = "bags"

    id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[Any] = mapped_column(JSON)


OPTIONS: dict[str, Any] = {
    "enable_from_linting": False, "insertmanyvalues_page_size": 10, "logging_name": "shop",
    "pool_logging_name": "shop", "pool_pre_ping": True, "pool_recycle": 1800,
    "query_cache_size": 50, "use_insertmanyvalues": False,
}  # fmt: skip


async def test_options(database_url: str) -> None:
    """Both engines are made with them, and all that a database does works as before."""
    db = make_database(database_url, engine_options=OPTIONS)
    app = make_app(db)
    async with client_of(app) as client:
        for engine in (db.engine.sync_engine, db.reader_engine.sync_engine):
            assert engine.logging_name == engine.pool.logging_name == "shop"
        assert (await client.post("/notes?text=a")).status_code == 201
        assert (await client.get("/notes")).json() == ["a"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pool_size", r"write Database\(pool_size=\.\.\.\)"),
        ("echo", r"write Database\(echo=\.\.\.\)"),
        ("isolation_level", r"write Database\(isolation_level=\.\.\.\)"),
        ("poolclass", "serves those who wait in turn"),
        ("max_overflow", r"write Database\(max_overflow=\.\.\.\)"),
        ("creator", "readers and writers connect differently"),
        ("pool_reset_on_return", "asks the driver first"),
        ("hide_parameters", "never stand in errors and logs"),
        ("execution_options", r"session\.connection\(execution_options="),
        ("pool_recicle", "which is not known. Write one of: .*pool_recycle"),
    ],
)
def test_options_that_are_refused(name: str, said: str) -> None:
    """What would undo what the engines are for is refused by its name, as is a misspelt one."""
    with pytest.raises(ConfigurationError, match=f'engine_options has "?{name}"?[:,] ?.*{said}'):
        Database("sqlite://", engine_options={name: 1})


def test_an_engine_is_refused() -> None:
    """An engine of the program's own is no URL; the sentence says what to write."""
    engine: Any = create_async_engine("sqlite+aiosqlite://")
    for given in (engine, engine.sync_engine):
        with pytest.raises(ConfigurationError, match=r"write Database\(engine\.url\)"):
            Database(given)


def dump(value: object) -> bytes:
    """Make JSON as fast serializers do: bytes, with keys in order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def load(value: str | bytes) -> Any:
    """Read JSON, and note in it who has read it."""
    found = json.loads(value)
    return {**found, "read": True} if isinstance(found, dict) else found


async def test_json(database_url: str) -> None:
    """A serializer and a deserializer of the program's own are used, by session and by door."""
    options = {"json_serializer": dump, "json_deserializer": load}
    db = Database(database_url, metadata=Base.metadata, engine_options=options)
    app = make_app(db)
    app.include_router(resource(Bag))
    async with client_of(app) as client:
        made = await client.post("/bags", json={"content": {"b": 1, "a": "Infinity"}})
        assert made.status_code == 201, made.text
        async with db.unit_of_work() as session:
            session.add(Bag(content={"d": 1, "c": 2}))
        answers = [(await client.get("/bags")).json()["items"] for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        assert [each["content"]["read"] for each in answers[0]] == [True, True]
        async with db.unit_of_work(read_only=True) as session:
            raw = await session.scalar(text("SELECT content FROM bags WHERE id = 1"))
        # Some drivers read JSON themselves, as they were told to.
        assert raw in ('{"a":"Infinity","b":1}', {"a": "Infinity", "b": 1, "read": True})


@pytest.mark.parametrize("value", [float("nan"), [float("-inf")], "\ud800"])
async def test_json_that_is_none(database_url: str, value: object) -> None:
    """What is no JSON is refused whoever serializes: stored, it would break each answer."""
    options = {"json_serializer": lambda value: json.dumps(value, ensure_ascii=False)}
    async with Database(database_url, metadata=Base.metadata, engine_options=options) as db:
        with pytest.raises((OverflowError, StatementError, UnicodeEncodeError)):
            async with db.unit_of_work() as session:
                session.add(Bag(content=value))


async def test_listeners(database_url: str) -> None:
    """They hear both engines, of each loop and each opening, from the first connection on."""
    db = make_database(database_url)
    heard: Counter[str] = Counter()

    @db.listens_for("connect")
    def count_connections(*_: object) -> None:
        heard["connect"] += 1

    @db.listens_for("before_cursor_execute", retval=True)
    def mark(_c: object, _d: object, statement: str, parameters: object, *_: object) -> object:
        heard[statement.split()[0]] += 1
        return f"{statement} -- shop", parameters

    app = make_app(db)
    for times in (1, 2):
        async with client_of(app) as client:
            assert heard["connect"] >= times
            assert (await client.post("/notes?text=a")).status_code == 201
            assert (await client.get("/notes")).status_code == 200
        assert (heard["INSERT"], heard["SELECT"] >= times) == (times, True)
    assert await texts_in(database_url) == ["a", "a"]


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_listeners_that_come_late(database_url: str) -> None:
    """One that is added while the database is open is heard at once; no door goes past it."""
    db = Database(database_url, metadata=Base.metadata)
    app = make_app(db)
    app.include_router(resource(Bag))
    heard: list[object] = []
    async with client_of(app) as client:
        assert (await client.get("/bags/1")).status_code == 404
        db.listens_for("before_cursor_execute")(lambda *each: heard.append(each[2]))
        for method, path, body in (("POST", "/bags", {"content": 1}), ("GET", "/bags/1", None)):
            heard.clear()
            assert (await client.request(method, path, json=body)).status_code in {200, 201}
            assert heard
        assert {each.way for each in explain_application(app)} == {"session"}


def test_listeners_to_nothing() -> None:
    """An event that no engine has is refused where it is written."""
    with pytest.raises(ConfigurationError, match='no event "before_flush"'):
        Database("sqlite://").listens_for("before_flush")(print)


@pytest.mark.backends("asyncpg")
async def test_lanes_recycle(database_url: str) -> None:
    """A connection that a lane keeps is made anew as often as those of the pool."""
    options = {"pool_recycle": 0}
    db = Database(database_url, metadata=Base.metadata, engine_options=options)
    opened: list[object] = []
    db.listens_for("connect")(lambda *each: opened.append(each))
    app = make_app(db)
    app.include_router(resource(Bag))
    async with client_of(app) as client:
        assert (await client.post("/bags", json={"content": 1})).status_code == 201
        for _ in range(3):
            opened.clear()
            assert (await client.get("/bags/1")).status_code == 200
            assert opened
