"""PostgreSQL behind PgBouncer in transaction mode, three server connections for all."""

import asyncio
import logging
import uuid
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, select, text, update

from ormolu import ConfigurationError, Database, ReadOnlyError, SessionDep
from tests.backends import PgBouncer, PostgreSQL
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database, texts_in

WORKERS = 12
TRANSACTIONS = 25

DRIVERS = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


@pytest.fixture
def pooled_url(driver: str, postgresql: PostgreSQL, pgbouncer: PgBouncer) -> Iterator[str]:
    """The URL of a fresh empty database, through the pooler."""
    name = f"t{uuid.uuid4().hex[:16]}"
    postgresql.create_database(name)
    yield pgbouncer.url(name, driver)
    postgresql.drop_database(name)


async def add_up(db: Database, worker: int) -> None:
    """Increment the shared number, and note each increment, a transaction each."""
    for number in range(TRANSACTIONS):
        async with db.unit_of_work() as session:
            counter = await session.get_one(Note, 1, with_for_update=True)
            counter.text = str(int(counter.text) + 1)
            session.add(Note(text=f"{worker}-{number}"))
        async with db.unit_of_work(read_only=True) as session:
            found = await session.scalar(select(Note.text).where(Note.text == f"{worker}-{number}"))
            assert found == f"{worker}-{number}"


@DRIVERS
async def test_many_transactions(pooled_url: str, postgresql: PostgreSQL) -> None:
    """The table is made, no statement meets another client's, and the sums are exact."""
    async with make_database(pooled_url, pooler="transaction", pool_timeout=20) as db:
        async with db.unit_of_work() as session:
            session.add(Note(id=1, text="0"))
            await session.flush()
            await session.execute(text("SELECT setval('notes_id_seq', 1)"))
        await asyncio.gather(*[add_up(db, worker) for worker in range(WORKERS)])
    total = WORKERS * TRANSACTIONS
    texts = await texts_in(postgresql.url(make_url(pooled_url).database or "", "psycopg"))
    assert texts[0] == str(total)
    assert len(set(texts[1:])) == total


@DRIVERS
async def test_requests(pooled_url: str) -> None:
    """An application behind the pooler reads and writes; a restart finds its tables."""
    for expected in (["a"], ["a", "a"]):
        db = make_database(pooled_url, pooler="transaction")
        async with client_of(make_app(db)) as client:
            assert (await client.post("/notes?text=a")).status_code == 201
            assert (await client.get("/notes")).json() == expected
            assert (await client.get("/readyz")).status_code == 200


@DRIVERS
async def test_reading_stays_reading(pooled_url: str) -> None:
    """A write in a reading unit of work is refused by the server, and harms no other client."""
    async with make_database(pooled_url, pooler="transaction") as db:
        for number in range(6):
            with pytest.raises(ReadOnlyError):
                async with db.unit_of_work(read_only=True) as session:
                    await session.execute(text("INSERT INTO notes (text) VALUES ('x')"))
            with pytest.raises(ReadOnlyError):
                async with db.unit_of_work(read_only=True) as session:
                    connection = await session.connection()
                    await connection.execute(update(Note).values(text="x"))
            async with db.unit_of_work() as session:
                session.add(Note(text=f"{number}"))
        async with db.unit_of_work(read_only=True) as session:
            texts = list(await session.scalars(select(Note.text).order_by(Note.id)))
    assert texts == ["0", "1", "2", "3", "4", "5"]


@DRIVERS
async def test_start_without_the_option_names_it(pooled_url: str) -> None:
    """PgBouncer refuses our settings of a connection, and the error says what to write."""
    with pytest.raises(ConfigurationError, match=r'Database\(url, pooler="transaction"\)'):
        await make_database(pooled_url).open()


@DRIVERS
async def test_requests_without_the_option_log_it(
    pooled_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the start does not look, the request is a 500, and the log says what to write."""
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with client_of(make_app(make_database(pooled_url, schema="ignore"))) as client:
            answer = await client.get("/notes")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert 'pooler="transaction"' in caplog.text


async def test_prepared_statements_log_the_option(
    pgbouncer: PgBouncer, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the pooler lets our settings pass, asyncpg's prepared statements fail with the hint."""
    url = pgbouncer.url("postgres", "asyncpg")
    settings: dict[str, dict[str, str]] = {"server_settings": {}}
    db = make_database(url, schema="ignore", pool_timeout=10, connect_args=settings)
    app = FastAPI()
    db.attach(app)

    @app.post("/numbers/{number}")
    async def read(number: int, session: SessionDep) -> None:
        await session.scalar(text(f"SELECT {number % 3}"))

    async with client_of(app) as client:
        # Which server connection a transaction gets is the pooler's choice.
        for _ in range(20):
            calls = [client.post(f"/numbers/{number}") for number in range(60)]
            statuses = {answer.status_code for answer in await asyncio.gather(*calls)}
            if 500 in statuses:
                break
    assert 500 in statuses
    assert 'pooler="transaction"' in caplog.text
