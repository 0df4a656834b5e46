"""No value that a client sent leaves by an answer, a log or an exception's text."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, MetaData, String, make_url, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep
from tests.errors._shop import Act, app_of
from tests.errors.conftest import Shared
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend

CANARY = "canary-7f3a@secret.example"

_log = logging.getLogger("shop")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Person(Base):
    __tablename__ = "people"
    __table_args__ = (CheckConstraint("email NOT LIKE '%!'", name="email"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    nick: Mapped[str | None] = mapped_column(String(5))
    age: Mapped[int | None]
    ratio: Mapped[float | None]
    is_member: Mapped[bool | None]
    extra: Mapped[dict[str, Any] | None]
    friend_email: Mapped[str | None] = mapped_column(String(100), ForeignKey("people.email"))


def add(**values: Any) -> Act:
    """Return an action that stores a person."""

    async def act(session: AsyncSession) -> None:
        session.add(Person(**values))
        await session.flush()

    return act


def sql(statement: str, **values: Any) -> Act:
    """Return an action that executes a text."""

    async def act(session: AsyncSession) -> None:
        await session.execute(text(statement), values)

    return act


async def rename_referenced(session: AsyncSession) -> None:
    await session.execute(text("UPDATE people SET email = 'x' WHERE id = 1"))


async def delete_referenced(session: AsyncSession) -> None:
    await session.execute(text("DELETE FROM people WHERE id = 1"))


async def find_nobody(session: AsyncSession) -> None:
    (await session.scalars(select(Person).where(Person.email == f"{CANARY}?"))).one()


async def find_several(session: AsyncSession) -> None:
    await add(email="second@example.com")(session)
    (await session.scalars(select(Person).where(Person.email != f"{CANARY}?"))).one()


async def raise_it(session: AsyncSession) -> None:
    await sql("SELECT set_config('shop.it', :it, true)", it=CANARY)(session)
    block = "BEGIN RAISE EXCEPTION 'too much' USING DETAIL = current_setting('shop.it'); END"
    await session.execute(text(f"DO $$ {block} $$"))


async def search_text(session: AsyncSession) -> None:
    await session.execute(text("CREATE VIRTUAL TABLE found USING fts5(word)"))
    await sql("SELECT * FROM found WHERE found MATCH :a", a=f'{CANARY} "')(session)


_TAKEN = {"email": CANARY}

FAILURES: dict[str, Act] = {
    "unique": add(email=CANARY),
    "unique_text": sql("INSERT INTO people (email) VALUES (:email)", **_TAKEN),
    "primary_key": add(id=1, email=f"{CANARY}2"),
    "not_null": add(email=None, extra={"a": CANARY}),
    "check": add(email=f"{CANARY}!"),
    "foreign_key": add(email="a@example.com", friend_email=f"{CANARY}?"),
    "referenced": rename_referenced,
    "referenced_row": delete_referenced,
    "nul": add(email=f"{CANARY}\0", id=1),
    "surrogate": add(email=f"{CANARY}\ud800"),
    "surrogate_json": add(email="a@example.com", extra={CANARY: "\ud800"}),
    "nan_json": add(email="a@example.com", extra={CANARY: float("nan")}),
    "huge_int": add(email=CANARY, age=10**30),
    "text_for_boolean": add(email="a@example.com", is_member=CANARY),
    "unknown_table": sql("INSERT INTO nothing VALUES (:email)", **_TAKEN),
    "unknown_column": sql("UPDATE people SET nothing = :email", **_TAKEN),
    "syntax": sql("SELEKT :email", **_TAKEN),
    "nobody": find_nobody,
    "several": find_several,
}

# What only some servers refuse, or say in words of their own.
OF_SERVERS: dict[str, tuple[str, Act]] = {
    "text_for_int": ("asyncpg psycopg mariadb", add(email="a@example.com", age=CANARY)),
    "text_for_float": ("sqlite asyncpg psycopg mariadb", add(email="a@b", ratio=CANARY)),
    "too_long": ("asyncpg psycopg mariadb", add(email="a@example.com", nick=CANARY)),
    "interval": ("asyncpg psycopg", sql("SELECT CAST(CAST(:a AS text) AS interval)", a=CANARY)),
    "regex": ("asyncpg psycopg", sql("SELECT 'a' ~ CAST(:a AS text)", a=f"({CANARY}")),
    "json_path": (
        "asyncpg psycopg",
        sql("SELECT CAST(CAST(:a AS text) AS jsonpath)", a=f"$.{CANARY}("),
    ),
    "sqlite_json_path": ("sqlite", sql("SELECT json_extract('{}', :a)", a=CANARY)),
    "sqlite_text_in_integer": ("sqlite", sql("INSERT INTO people (id) VALUES (:a)", a=CANARY)),
    "raise": ("asyncpg psycopg", raise_it),
    "full_text": ("asyncpg psycopg", sql("SELECT to_tsquery(CAST(:a AS text))", a=f"{CANARY} &&")),
    "sqlite_full_text": ("sqlite", search_text),
    "sqlite_not_utf8": ("sqlite", sql(f"SELECT CAST(x'{CANARY.encode().hex()}ff' AS TEXT) AS c")),
    "mariadb_syntax": ("mariadb", sql("SELECT * FROM people LIMIT :a", a=CANARY)),
}

# Words that would show SQL, a driver or a place in an answer.
_TELLTALES = (
    "insert into", "select ", "update ", "delete from", "sqlstate", "sqlalche", "traceback",
    "asyncpg", "psycopg", "asyncmy", "sqlite", "postgres", "mariadb", "127.0.0.1", "people.",
    "_people", "key (", "duplicate",
)  # fmt: skip


class Catcher:
    """User code that catches, looks at the error in every way, logs it and lets it go."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.texts: list[str] = []

    async def __call__(self, session: AsyncSession) -> None:
        try:
            await self._act(session)
        except Exception as error:
            self.texts += [str(error), repr(error), *traceback.format_exception(error)]
            original = getattr(error, "orig", None)
            self.texts += [str(original), repr(original)]
            _log.exception("It failed: %s", error)
            raise


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that any logger says, tracebacks included."""
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    yield caplog
    # echo=True gives SQLAlchemy's logger a handler of its own.
    logging.getLogger("sqlalchemy").handlers.clear()


@asynccontextmanager
async def people_of(shared: Shared, act: Act) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an application around an action, where the canary is stored and referred to."""
    db = Database(await shared(Base.metadata, fill), metadata=Base.metadata, echo=True)
    async with client_of(app_of(db, act)) as client:
        yield client


async def fill(db: Database) -> None:
    async with db.unit_of_work() as session:
        session.add(Person(email=CANARY))
        await session.flush()
        session.add(Person(email="bo@example.com", friend_email=CANARY))


def assert_silent(answer: httpx2.Response, texts: list[str]) -> None:
    """Look for the canary everywhere, and for technical words in the answer."""
    assert answer.status_code >= 400
    assert not [text for text in (answer.text, *texts) if "canary" in text]
    assert not [word for word in _TELLTALES if word in answer.text.lower()]


@pytest.mark.parametrize("act", FAILURES.values(), ids=FAILURES)
async def test_failure_tells_no_value(
    act: Act, backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """A value is in no answer, no log record and no text of an error that user code catches."""
    catcher = Catcher(act)
    async with people_of(shared, catcher) as client:
        answer = await client.post("/act")
    assert catcher.texts
    assert_silent(answer, [*catcher.texts, logged.text])


@pytest.mark.long
async def test_failure_of_one_server_tells_no_value(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """What one server says in words of its own is kept back too."""
    acts = [act for servers, act in OF_SERVERS.values() if backend.name in servers.split()]
    catcher = Catcher(lambda session: acts.pop()(session))
    async with people_of(shared, catcher) as client:
        while acts:
            assert_silent(await client.post("/act"), [*catcher.texts, logged.text])


class ShopError(Exception):
    """An error of the user's own."""


async def chain(session: AsyncSession) -> None:
    try:
        await FAILURES["unique"](session)
    except IntegrityError as error:
        message = "The shop failed"
        raise ShopError(message) from error


async def chain_while_handling(session: AsyncSession) -> None:
    try:
        await FAILURES["unique"](session)
    except IntegrityError:
        await session.rollback()
        await sql("SELECT nothing")(session)


@pytest.mark.parametrize("act", [chain, chain_while_handling])
async def test_unhandled_chain_tells_no_value(
    act: Act, backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """A traceback that goes through a database error is clean for the server that logs it."""
    catcher = Catcher(act)
    async with people_of(shared, catcher) as client:
        answer = await client.post("/act")
    assert answer.status_code == 500
    assert_silent(answer, [*catcher.texts, logged.text])


async def test_error_of_the_user_keeps_its_text(backend: Backend, shared: Shared) -> None:
    """What is removed is the driver's text, not that of an exception it happened to follow."""
    outer = ValueError("my own words")

    async def act(session: AsyncSession) -> None:
        try:
            raise outer
        except ValueError:
            await FAILURES["unique"](session)

    async with people_of(shared, act) as client:
        assert (await client.post("/act")).status_code == 409
    assert outer.args == ("my own words",)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the application with uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    server.should_exit = True
    await running


@pytest.mark.long
@pytest.mark.parametrize("act", [chain, FAILURES["syntax"]], ids=["chain", "syntax"])
async def test_uvicorn_logs_no_value(
    act: Act, backend: Backend, database_url: str, logged: pytest.LogCaptureFixture
) -> None:
    """The server's own "Exception in ASGI application" is clean."""
    db = Database(database_url, metadata=Base.metadata, echo=True)
    async with served(app_of(db, act)) as client:
        async with db.unit_of_work() as session:
            session.add(Person(email=CANARY))
        answer = await client.post("/act")
    assert "uvicorn.error Exception in ASGI application" in logged.text
    assert "Traceback" in logged.text
    assert_silent(answer, [logged.text])


async def test_failed_commit_tells_no_value(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """An error that the gate meets, at the flush before COMMIT, is as clean as the others."""

    async def act(session: AsyncSession) -> None:
        session.add(Person(email=CANARY))

    async with people_of(shared, act) as client:
        answer = await client.post("/act")
    assert answer.status_code == 409
    assert_silent(answer, [logged.text])


class Body(BaseModel):
    """What a client sends."""

    age: int
    day: int


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    "content",
    [
        f'{{"age": "{CANARY}", "day": 1}}',
        f'{{"age": 1, "email": "{CANARY}"}}',
        f'{{"age": "{CANARY}',
        f'"{CANARY}"',
        f'["{CANARY}"]',
        CANARY,
    ],
)
async def test_invalid_request_tells_no_value(
    content: str, backend: Backend, database_url: str, logged: pytest.LogCaptureFixture
) -> None:
    """FastAPI's validation errors repeat their input; the problem does not."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)

    @app.post("/")
    async def create(body: Body, session: SessionDep) -> None: ...

    async with client_of(app) as client:
        answer = await client.post("/", content=content)
    assert answer.status_code == 422
    assert_silent(answer, [logged.text])


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_password_is_told_nowhere(
    backend: Backend, database_url: str, logged: pytest.LogCaptureFixture
) -> None:
    """A database that cannot be reached is logged without its password."""
    url = make_url(database_url).set(password=CANARY, port=1)
    db = Database(url, metadata=Base.metadata, schema="ignore")
    catcher = Catcher(FAILURES["nobody"])
    async with client_of(app_of(db, catcher)) as client:
        answer = await client.get("/act")
        ready = await client.get("/readyz")
    assert (answer.status_code, ready.status_code) == (503, 503)
    assert_silent(answer, [*catcher.texts, logged.text, ready.text, repr(db), str(db.url)])


@pytest.mark.backends("mariadb")
async def test_warning_of_the_server_tells_no_value(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """MariaDB's warnings quote values; asyncmy's log lines of them are dropped."""
    act = sql("INSERT IGNORE INTO people (email) VALUES (:email)", **_TAKEN)
    async with people_of(shared, act) as client:
        assert (await client.post("/act")).status_code == 200
    assert "canary" not in logged.text


@pytest.mark.backends("sqlite")
async def test_driver_at_debug_tells_no_value(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """No level of any logger shows values."""
    async with people_of(shared, FAILURES["unique"]) as client:
        await client.post("/act")
    assert "canary" not in logged.text


# What a developer has to read: an error in a statement, and the words of the program itself.
WORDS: dict[str, tuple[str, str, Act]] = {
    "syntax": ("sqlite asyncpg psycopg mariadb", "SELEC", sql("SELEC 1")),
    "function": ("sqlite asyncpg psycopg", "no_such_function", sql("SELECT no_such_function(1)")),
    "arguments": ("sqlite asyncpg psycopg mariadb", "abs", sql("SELECT abs(1, 2)")),
    "count": (
        "sqlite asyncpg psycopg mariadb", "olumn",
        sql("INSERT INTO people (email) VALUES ('a', 'b')"),
    ),
    "ambiguous": (
        "sqlite asyncpg psycopg mariadb", "ambiguous", sql("SELECT email FROM people a, people b"),
    ),
    "group": (
        "asyncpg psycopg", "GROUP BY", sql("SELECT email, count(*) FROM people"),
    ),
    "rows": ("asyncpg psycopg", "more than one row", sql("SELECT (SELECT 1 UNION SELECT 2)")),
    "rows_of_mysql": ("mariadb", "more than 1 row", sql("SELECT (SELECT 1 UNION SELECT 2)")),
    "transaction": ("asyncpg psycopg", "VACUUM", sql("VACUUM")),
    "savepoint": ("asyncpg psycopg mariadb", "nowhere", sql("ROLLBACK TO SAVEPOINT nowhere")),
    "cursor": ("asyncpg psycopg", "nowhere", sql("CLOSE nowhere")),
    "sequence": ("asyncpg psycopg", "lastval", sql("SELECT lastval()")),
    "feature": ("asyncpg psycopg", "DISTINCT", sql("SELECT DISTINCT id FROM people FOR UPDATE")),
    "assertion": (
        "asyncpg psycopg", "over budget", sql("DO $$ BEGIN ASSERT false, 'over budget'; END $$"),
    ),
    "variable": ("mariadb", "no_such_variable", sql("SELECT @@no_such_variable")),
    "not_yet": (
        "mariadb", "LIMIT & IN", sql("SELECT 1 FROM people WHERE id IN (SELECT 1 LIMIT 1)"),
    ),
    "index": ("mariadb", "FULLTEXT", sql("SELECT MATCH (email) AGAINST ('x') FROM people")),
    "raise": (
        "asyncpg psycopg", "over budget", sql("DO $$ BEGIN RAISE EXCEPTION 'over budget'; END $$"),
    ),
    "signal": (
        "mariadb", "over budget", sql("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'over budget'"),
    ),
    "schema": ("asyncpg psycopg", "nowhere", sql("CREATE TABLE nowhere.things (id int)")),
    "table_twice": (
        "sqlite asyncpg psycopg mariadb", "people", sql("CREATE TABLE people (id INT)"),
    ),
    "python": (
        "sqlite asyncpg mariadb", "not JSON serializable",
        add(email="a@example.com", extra={"at": object()}),
    ),
}  # fmt: skip


@pytest.mark.long
async def test_words_without_values_are_kept(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """They are in the exception and once in the log, on every driver alike, and in no answer."""
    for servers, words, act in WORDS.values():
        if backend.name not in servers.split():
            continue
        catcher = Catcher(act)
        logged.clear()
        async with people_of(shared, catcher) as client:
            answer = await client.post("/act")
        assert answer.status_code >= 400
        assert words in catcher.texts[0], words
        lines = [each.getMessage() for each in logged.records if each.name == "ormolu"]
        assert [words in line for line in lines] == [True], lines
        assert words not in answer.text


@pytest.mark.backends("sqlite")
async def test_a_trigger_of_sqlite_keeps_its_words(
    backend: Backend, shared: Shared, logged: pytest.LogCaptureFixture
) -> None:
    """RAISE in a trigger is the program's own word there, too."""

    async def act(session: AsyncSession) -> None:
        refuse = "BEGIN SELECT RAISE(ABORT, 'over budget'); END"
        await session.execute(text(f"CREATE TRIGGER t BEFORE INSERT ON people {refuse}"))
        await add(email="a@example.com")(session)

    catcher = Catcher(act)
    async with people_of(shared, catcher) as client:
        answer = await client.post("/act")
    assert (answer.status_code, "over budget" in catcher.texts[0]) == (422, True)
    assert "over budget" not in answer.text


@pytest.mark.backends("psycopg")
async def test_the_report_of_psycopg_has_no_value(backend: Backend, shared: Shared) -> None:
    """`diag` keeps names and codes, and loses texts that may quote a value."""
    seen: list[Any] = []

    async def act(session: AsyncSession) -> None:
        try:
            await FAILURES["unique"](session)
        except IntegrityError as error:
            seen.append(error.orig)
            raise

    async with people_of(shared, act) as client:
        await client.post("/act")
    diag = seen[0].diag
    assert (diag.sqlstate, diag.table_name) == ("23505", "people")
    assert diag.constraint_name
    assert (diag.message_primary, diag.message_detail) == (None, None)
