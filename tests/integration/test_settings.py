"""Settings of the program's own beside ours: they are merged, and ours hold."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import HTTPException
from sqlalchemy import make_url, text

from ormolu import ConfigurationError, Database, SessionDep
from tests.backends import PgBouncer, PostgreSQL
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.integration.notes import make_app, make_database, texts_in

THEIRS: dict[str, dict[str, Any]] = {
    "asyncpg": {"server_settings": {"application_name": "shop", "lock_timeout": "0"}},
    "psycopg": {"options": "-c application_name=shop -c lock_timeout=0"},
}


@pytest.mark.backends("asyncpg", "psycopg")
async def test_settings_are_merged_and_ours_hold(database_url: str, backend: Backend) -> None:
    """A setting of the program's own does not make a reader a writer, nor a wait endless."""
    db = make_database(database_url, connect_args=THEIRS[backend.name])
    app = make_app(db)

    @app.get("/write")
    async def write(session: SessionDep) -> None:
        await session.execute(text("INSERT INTO notes (text) VALUES ('kept')"))
        raise HTTPException(400)

    @app.get("/settings")
    async def settings(session: SessionDep) -> list[str]:
        names = ("application_name", "lock_timeout")
        return [str(await session.scalar(text(f"SHOW {name}"))) for name in names]

    async with client_of(app) as client:
        assert (await client.get("/write")).status_code == 500
        assert (await client.get("/settings")).json() == ["shop", "5s"]
    assert await texts_in(database_url) == []


@pytest.mark.backends("psycopg")
async def test_options_of_the_url_are_merged_too(database_url: str) -> None:
    """The options in the URL, those of connect_args and ours stand one after the other."""
    url = f"{database_url}?options=-c%20search_path%3Dpg_catalog"
    async with (
        make_database(
            url, schema="ignore", connect_args={"options": "-c application_name=shop"}
        ) as db,
        db.unit_of_work(read_only=True) as session,
    ):
        found = [
            await session.scalar(text(f"SHOW {name}"))
            for name in ("search_path", "application_name", "default_transaction_read_only")
        ]
    assert found == ["pg_catalog", "shop", "on"]


@pytest.mark.backends("sqlite")
async def test_sqlite_readers_stay_readers(database_url: str) -> None:
    """`begin` is not for the program to choose."""
    db = make_database(database_url, connect_args={"begin": "immediate"})
    app = make_app(db)

    @app.get("/write")
    async def write(session: SessionDep) -> None:
        await session.execute(text("INSERT INTO notes (text) VALUES ('kept')"))

    async with client_of(app) as client:
        assert (await client.get("/write")).status_code == 500
    assert await texts_in(database_url) == []


@pytest.fixture
def deaf_url(postgresql: PostgreSQL) -> Iterator[tuple[str, PgBouncer]]:
    """A database behind a pooler that drops the settings of a connection without a word."""
    name = f"t{uuid.uuid4().hex[:16]}"
    postgresql.create_database(name)
    pooler = PgBouncer(postgresql, ignored="default_transaction_read_only,lock_timeout,options")
    try:
        pooler.start()
        yield name, pooler
    finally:
        pooler.remove()
        postgresql.drop_database(name)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_dropped_setting_is_found(driver: str, deaf_url: tuple[str, PgBouncer]) -> None:
    """A reader that is none is refused with the line to write, at the start."""
    name, pooler = deaf_url
    with pytest.raises(ConfigurationError, match='pooler="transaction"'):
        await make_database(pooler.url(name, driver)).open()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_libpq_and_others_write(driver: str, postgresql: PostgreSQL) -> None:
    """Keepalives, session attributes and several hosts open a database on both drivers."""
    port = make_url(postgresql.url("postgres", driver)).port
    for url in (
        f"postgresql+{driver}://postgres@127.0.0.1:{port}/postgres"
        "?target_session_attrs=read-write&connect_timeout=5&keepalives=1&keepalives_idle=30"
        "&keepalives_interval=5&keepalives_count=3&application_name=shop",
        f"postgresql+{driver}://postgres@127.0.0.1:{port},127.0.0.1:{port}/postgres",
        f"postgresql+{driver}://postgres@127.0.0.1:1,127.0.0.1:{port}/postgres"
        "?target_session_attrs=primary",
    ):
        async with Database(url, schema="ignore") as db:
            await db.ping()
            async with db.unit_of_work() as session:
                assert await session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_pgbouncer_true_is_understood(driver: str) -> None:
    """What a console of a pooler gives is the option of ours."""
    db = Database(f"postgresql+{driver}://u@h/d?pgbouncer=true")
    assert db._engines.options.pooler == "transaction"
    assert dict(db.url.query) == {}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize(
    ("query", "instead"),
    [
        ("connection_limit=5", "pool_size"),
        ("pool_timeout=3", "pool_timeout"),
        ("schema=public", "search_path"),
        ("sslaccept=strict", "sslmode"),
        ("statement_timeout=5", "options"),
        ("nonsense=1", "leave it out"),
    ],
)
def test_what_others_call_differently_is_refused_by_name(
    driver: str, query: str, instead: str
) -> None:
    """The message names the parameter and what to write."""
    with pytest.raises(ConfigurationError, match=instead) as error:
        Database(f"postgresql+{driver}://u:s3cret@h/d?{query}")
    assert query.partition("=")[0] in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["sqlite://users.db", "sqlite+ormolu://data/users.db"])
def test_a_slash_too_few_is_no_memory_database(url: str) -> None:
    """What would be lost with the process is refused, with the line to write."""
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        Database(url)


def test_a_dialect_that_is_not_installed_names_its_package() -> None:
    """CockroachDB's dialect is a package of its own."""
    with pytest.raises(ConfigurationError, match="pip install sqlalchemy-cockroachdb"):
        Database("cockroachdb://h/d")


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_an_unknown_database_is_named(driver: str, postgresql: PostgreSQL) -> None:
    """The start says what the server said."""
    with pytest.raises(Exception, match="no_such_database"):
        await make_database(postgresql.url("no_such_database", driver)).open()


@pytest.mark.backends("psycopg")
async def test_an_option_that_the_driver_does_not_know_is_named(database_url: str) -> None:
    """The start says what the driver said of it."""
    with pytest.raises(Exception, match="nonsense"):
        await make_database(database_url, connect_args={"nonsense": "1"}).open()
