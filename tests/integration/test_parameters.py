"""Parameters of URLs that are values to a driver, and settings that would undo a unit of work."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from ormolu import ConfigurationError, Database
from tests.fixtures.backends import Backend
from tests.integration.notes import Note, make_database, texts_in

ASYNCPG, PSYCOPG, MYSQL = (
    "postgresql+asyncpg://u@h/d",
    "postgresql+psycopg://u@h/d",
    "mysql://u@h/d",
)

OF_DRIVERS = {
    "asyncpg": "statement_cache_size=0&prepared_statement_cache_size=0&timeout=5&command_timeout=5"
    "&max_cached_statement_lifetime=0&max_cacheable_statement_size=0&connect_timeout=0",
    "psycopg": "prepare_threshold=0&connect_timeout=0",
    "mariadb": "max_allowed_packet=2097152&binary_prefix=true&echo=0&local_infile=0&client_flag=2",
}


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_numbers_and_flags(database_url: str, backend: Backend) -> None:
    """What a driver takes as a number or a flag may be written in the URL, and reaches it."""
    async with make_database(f"{database_url}?{OF_DRIVERS[backend.name]}") as db:
        async with db.unit_of_work() as session:
            session.add(Note(text="kept"))
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text("SELECT text FROM notes")) == "kept"


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        (f"{ASYNCPG}?statement_cache_size=none", "write a number"),
        (f"{ASYNCPG}?direct_tls=maybe", "write true or false"),
        (f"{ASYNCPG}?server_settings=x", r'connect_args=\{"server_settings"'),
        (f"{ASYNCPG}?record_class=x", r'connect_args=\{"record_class"'),
        (f"{PSYCOPG}?prepare_threshold=x", "write a number"),
        (f"{PSYCOPG}?row_factory=dict_row", r'connect_args=\{"row_factory"'),
        (f"{PSYCOPG}?prepared_statement_cache_size=0", 'pooler="transaction"'),
        ("postgresql+psycopg_async://u@h/d?context=x", r'connect_args=\{"context"'),
        (f"{MYSQL}?port=x", "write a number"),
        (f"{MYSQL}?conv=x", r'connect_args=\{"conv"'),
        (f"{MYSQL}?ssl-mode=STRICT", "PREFERRED, REQUIRED"),
        ("postgresql://u@h:99999/d", "from 1 to 65535"),
        ("mysql://u@h:0/d", "from 1 to 65535"),
        ("postgresql+asyncpg+psycopg://u@h/d", "Known: "),
    ],
)
def test_what_no_driver_takes(given: str, instead: str) -> None:
    """What no driver could be given is an error that says what to write."""
    with pytest.raises(ConfigurationError, match=instead):
        Database(given)


def test_limit_that_is_none() -> None:
    """psycopg's threshold of prepared statements may be none."""
    target = Database(f"{PSYCOPG}?prepare_threshold=none")._engines.target
    assert target.connect_args == {"prepare_threshold": None}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_old_scheme_with_a_driver(driver: str) -> None:
    """postgres:// is PostgreSQL with a driver, too."""
    assert Database(f"postgres+{driver}://u@h/d").url.drivername == f"postgresql+{driver}"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"{PSYCOPG}?autocommit=true", {}),
        (f"{MYSQL}?autocommit=1", {}),
        (PSYCOPG, {"connect_args": {"autocommit": True}}),
        (MYSQL, {"connect_args": {"autocommit": 1}}),
        (ASYNCPG, {"isolation_level": "AUTOCOMMIT"}),
        ("sqlite://", {"isolation_level": "autocommit"}),
    ],
)
def test_autocommit(url: str, options: dict[str, Any]) -> None:
    """What would store each statement at once, so that no error could undo it, is refused."""
    with pytest.raises(ConfigurationError, match="could not be rolled back"):
        Database(url, **options)


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_outside_of_transactions(database_url: str) -> None:
    """What the error about autocommit names works: a connection of its own."""
    async with make_database(database_url) as db, db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("INSERT INTO notes (text) VALUES ('at once')"))
        assert await texts_in(database_url) == ["at once"]


@pytest.mark.backends("asyncpg", "psycopg")
async def test_search_path_that_leads_nowhere(database_url: str) -> None:
    """Where there is no schema to make tables in, that is said."""
    url = f"{database_url}?options=-csearch_path%3Dnowhere"
    with pytest.raises(ConfigurationError, match="CREATE SCHEMA"):
        await make_database(url).open()


@pytest.mark.backends("mariadb")
async def test_url_without_a_database(database_url: str) -> None:
    """A URL of MySQL that names no database is told so."""
    with pytest.raises(ConfigurationError, match="the name of the database"):
        await make_database(database_url.rpartition("/")[0]).open()


@pytest.mark.backends("psycopg")
@pytest.mark.parametrize("threshold", [0, 1, None])
async def test_reset_is_not_prepared(
    database_url: str, threshold: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection is reset to what it was also where psycopg prepares all statements."""
    arguments = {"prepare_threshold": threshold}
    async with make_database(database_url, connect_args=arguments, pool_size=1) as db:
        for _ in range(3):
            async with db.unit_of_work() as session:
                assert await session.scalar(text("SHOW application_name")) == ""
                await session.execute(text("SET application_name = 'left'"))
    assert caplog.messages == []
