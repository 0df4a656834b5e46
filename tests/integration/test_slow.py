"""The slow log: statements with their route, without values, and not too many of them."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi import FastAPI
from sqlalchemy import bindparam, literal, select, text
from sqlalchemy.exc import DBAPIError

from ormolu import ConfigurationError, Database, SessionDep, resource
from ormolu.engines import FairPool
from ormolu.timing import Stopwatch, shape_of
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="ormolu.slow")
    return caplog


def lines_of(log: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged as slow, and forget it."""
    found = [each.getMessage() for each in log.records if each.name == "ormolu.slow"]
    log.clear()
    return found


def served(database_url: str, slow: float | None) -> FastAPI:
    """Return an application with routes by hand, and a resource with lanes where there are some."""
    app = make_app(make_database(database_url, log_slow=slow))
    app.include_router(resource(Note, path="/own"))

    @app.get("/search/{word}")
    async def search(session: SessionDep, word: str) -> int:
        found = await session.execute(select(Note.id).where(Note.text == literal(word)))
        return len(found.all())

    @app.get("/own-text")
    async def own_text(session: SessionDep) -> None:
        await session.execute(text("SELECT id FROM notes WHERE text = 'secret' AND id < 4711"))

    @app.get("/wrong")
    async def wrong(session: SessionDep) -> None:
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT nothing FROM notes"))

    return app


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/notes?text=secret", None, "INSERT INTO notes"),
        ("GET", "/notes", None, "FROM notes"),
        ("GET", "/search/secret", None, "WHERE notes.text = "),
        ("GET", "/own-text", None, "WHERE text = ? AND id < ?"),
        ("GET", "/wrong", None, "SELECT nothing FROM notes"),
        ("POST", "/own", {"text": "secret"}, "INSERT INTO notes"),
        ("GET", "/own?text=secret", None, "FROM notes"),
        ("GET", "/own/1", None, "FROM notes"),
    ],
)
async def test_each_way(
    database_url: str,
    log: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: object,
    words: str,
) -> None:
    """A statement is logged whichever way it goes, with the route that is not the path."""
    async with client_of(served(database_url, 0.0)) as client:
        await client.post("/own", json={"text": "first"})
        lines_of(log)
        answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text
        lines = lines_of(log)
    route = path.partition("?")[0].replace("/1", "/{id}").replace("secret", "{word}")
    assert any(line.startswith(f"{method} {route}: ") and words in line for line in lines), lines
    assert not any("secret" in line or "4711" in line for line in lines)


@pytest.mark.long
async def test_quick_ones(database_url: str, log: pytest.LogCaptureFixture) -> None:
    """What takes less is not logged, nor anything without the option."""
    for slow in (60.0, None):
        async with client_of(served(database_url, slow)) as client:
            assert (await client.get("/notes")).is_success
            assert (await client.get("/own")).is_success
    assert lines_of(log) == []


async def test_line_for_the_connection_counts(
    database_url: str, log: pytest.LogCaptureFixture
) -> None:
    """Who waited for a connection was slow, however fast the statement is."""
    db = Database(database_url, metadata=Note.metadata, log_slow=0.05, pool_size=1, max_overflow=0)
    app = FastAPI()
    db.attach(app)

    @app.get("/read")
    async def read(session: SessionDep) -> None:
        await session.execute(text("SELECT 1"))

    async with client_of(app) as client:
        async with db.unit_of_work(read_only=True) as session:
            await session.connection()
            asked = asyncio.ensure_future(client.get("/read"))
            pool = db.reader_engine.sync_engine.pool
            assert isinstance(pool, FairPool)
            # Not before it is in line, however long that takes; no event tells.
            while not pool.use["waiting"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.2)
        assert (await asked).is_success
    (line,) = [each for each in lines_of(log) if each.startswith("GET /read: ")]
    queued = float(line.partition("and ")[2].partition(" s in line")[0])
    assert queued >= 0.1


async def test_scripts(database_url: str, log: pytest.LogCaptureFixture) -> None:
    """Outside of requests it says so."""
    async with make_database(database_url, log_slow=0.0) as db:
        lines_of(log)
        async with db.unit_of_work() as session:
            await session.execute(select(Note).where(Note.text == bindparam("word")), {"word": "x"})
    assert lines_of(log)[0].startswith("outside of requests: ")


def test_no_more_than_ten_a_second(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """In an outage the rest is counted, and told with the next line of another second."""
    now = 100.0
    monkeypatch.setattr("ormolu.timing.time.monotonic", lambda: now)
    stopwatch = Stopwatch(0.5)
    for _ in range(500):
        stopwatch.note("SELECT 1", 0.6)
    assert len(lines_of(log)) == 10
    now = 101.0
    stopwatch.note("SELECT 1", 0.6)
    assert lines_of(log)[0] == "490 more slow statements are not shown."


@pytest.mark.parametrize(
    ("sql", "shape"),
    [
        ("SELECT  a\n FROM t1 WHERE b = 'it''s' LIMIT 10", "SELECT a FROM t1 WHERE b = ? LIMIT ?"),
        ("SELECT $1::INTEGER, t2.c3 FROM t2", "SELECT $1::INTEGER, t2.c3 FROM t2"),
        (r"SELECT 'a''b', 1.5e3, -7", "SELECT ?, ?, ?"),
        (r"SELECT a LIKE b ESCAPE '\', 'secret'", "SELECT a LIKE b ESCAPE ?, ?"),
        (r"SELECT E'a\' secret', e'it''s', name'", "SELECT ?, ?, name?"),
        ("SELECT \"it's\", 'secret', `it's`, 'secret'", "SELECT \"it's\", ?, `it's`, ?"),
        ("SELECT '--', 'secret', \"--\", 'secret'", 'SELECT ?, ?, "--", ?'),
        ("SELECT a -- it's\n, 'secret' /* \" */ , \"b\"", 'SELECT a , ? , "b"'),
        ("SELECT '$$', 'secret $$', a$$b, $$ it's $x$ secret $$", "SELECT ?, ?, a$$b, ?"),
        ("SELECT $$secret$$, $t$secret$t$", "SELECT ?, ?"),
        ('SELECT "a b", "Name"."Col" FROM t', 'SELECT "a b", "Name"."Col" FROM t'),
        ("SELECT 1 -- secret\n/* secret */ + 2", "SELECT ? + ?"),
        ("SELECT 'never closed secret", "SELECT ?"),
        ("a IN ($1::INTEGER, $2::INTEGER, $3::INTEGER)", "a IN ($1::INTEGER, ...)"),
        ("a IN (%s, %s, %s, %s)", "a IN (%s, ...)"),
        ("a IN (%(a_1)s, %(a_2)s)", "a IN (%(a_1)s, %(a_2)s)"),
    ],
)
def test_shapes(sql: str, shape: str) -> None:
    """The shape has names and placeholders, and nothing that may be a value."""
    assert shape_of(sql) == shape


@pytest.mark.parametrize(
    ("sql", "shape"),
    [
        ('SELECT `a b` = "secret"', "SELECT `a b` = ?"),
        (r"""SELECT 'a\' secret', "a\" secret", 'it''s'""", "SELECT ?, ?, ?"),
        ("SELECT `it's`, 'secret'", "SELECT `it's`, ?"),
        ("SELECT a # it's\n, 'secret # secret'", "SELECT a , ?"),
    ],
)
def test_shapes_of_mysql(sql: str, shape: str) -> None:
    """There double quotes are around texts, in which backslashes are read."""
    assert shape_of(sql, quotes_names=False) == shape


@pytest.mark.parametrize(
    ("sql", "word"),
    [("SELECT 1", "SELECT"), (" (select 1)", "SELECT"), ("/* secret */ UPDATE t", "UPDATE"),
     ("/*secret*/INSERT", "INSERT"), ("-- secret\nDELETE", "DELETE"), ("'secret'", "")],
)  # fmt: skip
def test_the_word_of_a_metric_is_no_comment(sql: str, word: str) -> None:
    """A comment may hold a value."""
    words: list[str] = []
    Stopwatch(None, lambda _seconds, found: words.append(found)).note(sql, 0.1)
    assert words == [word]


def test_long_statements() -> None:
    """A statement of a megabyte is one line."""
    assert len(shape_of("SELECT " + "a, " * 400_000)) < 1100


def test_wrong_option() -> None:
    """A time below zero is refused."""
    with pytest.raises(ConfigurationError, match="log_slow=-1: write seconds"):
        Database("sqlite://", log_slow=-1)
