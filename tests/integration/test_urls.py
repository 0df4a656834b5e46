"""What people paste as a URL, and what becomes of it."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import ssl
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url, select

from ormolu import ConfigurationError, Database, DatabaseDownError
from ormolu.engines._url import Target, read_url
from tests.backends import PostgreSQL
from tests.fixtures.apps import client_of
from tests.integration.notes import Note, make_app, make_database

ASYNCPG, PSYCOPG = "postgresql+asyncpg", "postgresql+psycopg"


@pytest.mark.parametrize(
    ("given", "drivername", "database"),
    [
        ("sqlite:///x.db", "sqlite+ormolu", "x.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite", "x.db"),
        ("sqlite:////var/lib/x.db", "sqlite+ormolu", "/var/lib/x.db"),
        ("postgres://u:p@h/d", ASYNCPG, "d"),
        ("postgresql://u:p@h/d", ASYNCPG, "d"),
        ("postgresql+asyncpg://u:p@h/d", ASYNCPG, "d"),
        ("postgresql+psycopg://u:p@h/d", PSYCOPG, "d"),
        ("postgresql+psycopg_async://u:p@h/d", "postgresql+psycopg_async", "d"),
        ("mysql://u:p@h/d", "mysql+asyncmy", "d"),
        ("mariadb://u:p@h/d", "mariadb+asyncmy", "d"),
        ("mysql+asyncmy://u:p@h/d?charset=utf8mb4", "mysql+asyncmy", "d"),
        ("  postgresql://u:p@h/d\n", ASYNCPG, "d"),
        (URL.create("postgresql", username="u", host="h", database="d"), ASYNCPG, "d"),
    ],
)
def test_scheme(given: str | URL, drivername: str, database: str) -> None:
    """Each scheme gets an asynchronous driver; the rest stays as it is."""
    url = Database(given).url
    assert (url.drivername, url.database) == (drivername, database)


# As the consoles of the hosts show them; the names are invented.
HOSTED = [
    "postgresql://neondb_owner:npg_s3cret@ep-cool-sun-a1b2c3-pooler.eu-central-1.aws.neon.tech"
    "/neondb?sslmode=require&channel_binding=prefer",
    "postgres://uabc:ps3cret@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d9abcdef",
    "postgresql://postgres.abcdefgh:s3cret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
    "postgresql://doadmin:AVNS_s3cret@db-do-user-1-0.b.db.ondigitalocean.com:25060/defaultdb"
    "?sslmode=require",
    "postgresql://render_user:s3cret@dpg-abc-a.frankfurt-postgres.render.com/render_db",
]


@pytest.mark.parametrize("given", HOSTED)
def test_hosted_postgresql(given: str) -> None:
    """The URLs of the hosts are taken as they are pasted, and keep host, user and password."""
    target, pasted = read_url(given), make_url(given)
    assert target.url.drivername == ASYNCPG
    for name in ("host", "port", "username", "password", "database"):
        assert getattr(target.url, name) == getattr(pasted, name)
    # What is left in the query would be an unknown argument of asyncpg's connect.
    assert dict(target.url.query) == {}
    assert ("sslmode=require" in given) == ("sslmode=require" in target.connect_args.get("dsn", ""))


def test_channel_binding_that_asyncpg_cannot_do() -> None:
    """Neon's channel_binding=require is an error that says which driver can."""
    with pytest.raises(ConfigurationError, match=r"postgresql\+psycopg://") as caught:
        Database("postgresql://me:s3cret@h/d?sslmode=require&channel_binding=require")
    assert "s3cret" not in str(caught.value)
    url = "postgresql+psycopg://me:s3cret@h/d?sslmode=require&channel_binding=require"
    assert Database(url).url.query["channel_binding"] == "require"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_modes_that_a_server_without_tls_serves(
    driver: str, mode: str, postgresql: PostgreSQL
) -> None:
    """These modes of libpq connect without TLS where the server has none."""
    url = postgresql.url("postgres", driver) + f"?sslmode={mode}&application_name=shop"
    async with Database(url, schema="ignore") as db:
        await db.ping()


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_modes_that_insist_on_tls(driver: str, mode: str, postgresql: PostgreSQL) -> None:
    """These modes never fall back to a connection without TLS: no start, and 503."""
    url = postgresql.url("postgres", driver) + f"?sslmode={mode}"
    with pytest.raises(DatabaseDownError, match="the URL right"):
        await make_database(url).open()
    async with client_of(make_app(make_database(url, schema="ignore"))) as client:
        answer = await client.get("/notes")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


@pytest.mark.long
@pytest.mark.parametrize("name", ["ssl-mode", "ssl_mode", "sslmode"])
def test_mysql_modes(name: str) -> None:
    """MySQL's modes become an SSL context that checks as much as the mode says."""
    context = _mysql(f"?{name}=VERIFY_IDENTITY").connect_args["ssl"]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    context = _mysql(f"?{name}=VERIFY_CA").connect_args["ssl"]
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_REQUIRED)
    context = _mysql(f"?{name}=required").connect_args["ssl"]
    assert context.verify_mode == ssl.CERT_NONE
    assert "ssl" not in _mysql(f"?{name}=DISABLED").connect_args
    assert dict(_mysql(f"?{name}=REQUIRED").url.query) == {}


def _mysql(query: str) -> Target:
    return read_url(f"mysql://doadmin:s3cret@h:25060/defaultdb{query}")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql", "mariadb"])
@pytest.mark.parametrize(
    ("written", "meant"),
    [("a%40b%3Ac%2Fd", "a@b:c/d"), ("50%25", "50%"), ("p%23%3F", "p#?"), ("a%%b", "a%%b")],
)
def test_password_with_signs(scheme: str, written: str, meant: str) -> None:
    """Percent signs in a password are read once, and no text of ours shows it."""
    db = Database(f"{scheme}://u:{written}@h/d")
    assert db.url.password == meant
    assert meant not in repr(db)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL it is $DATABASE_URL, also an empty one means the default file."""
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@h/d")
    assert Database().url.drivername == ASYNCPG
    assert Database("sqlite:///x.db").url.database == "x.db"
    for value in ("", None):
        monkeypatch.delenv("DATABASE_URL", raising=False)
        if value is not None:
            monkeypatch.setenv("DATABASE_URL", value)
        assert Database().url == make_url("sqlite+ormolu:///app.db")


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("postgresql+psycopg2://u:s3cret@h/d", "postgresql+asyncpg://"),
        ("mysql+pymysql://u:s3cret@h/d", "mysql+asyncmy://"),
        ("mysql+mysqldb://u:s3cret@h/d", "mysql+asyncmy://"),
        ("mariadb+mariadbconnector://u:s3cret@h/d", "mariadb+asyncmy://"),
        ("sqlite+pysqlite:///x.db", "sqlite+ormolu://"),
        ("postgresql+pg8000://u:s3cret@h/d", "postgresql+asyncpg://"),
    ],
)
def test_blocking_driver(given: str, instead: str) -> None:
    """A driver that blocks the event loop is an error that names the one that does not."""
    with pytest.raises(ConfigurationError, match="blocks the event loop") as caught:
        Database(given)
    assert instead in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "nonsense",
        "/var/lib/s3cret.db",
        "s3cret",
        "postgresql//u:s3cret@h/d",
        "postgresql:/u:s3cret@h/d",
        "postgresql://u:s3cret@h:port/d",
        "mongodb://u:s3cret@h/d",
        "http://u:s3cret@h/d",
        "postgresql+nothing://u:s3cret@h/d",
        "://u:s3cret@h/d",
        "DATABASE_URL=postgresql://u:s3cret@h/d",
    ],
)
def test_nonsense_is_an_error_without_the_password(given: str) -> None:
    """What is no URL is a ConfigurationError that says what one looks like, and shows nothing."""
    with pytest.raises(ConfigurationError) as caught:
        Database(given)
    assert "s3cret" not in str(caught.value)
    assert "//" in str(caught.value) or "Known:" in str(caught.value)


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that is not installed is an error with the line that installs it."""
    find = importlib.util.find_spec

    def hide(name: str, package: str | None = None) -> Any:
        return None if name in {"asyncpg", "asyncmy", "psycopg"} else find(name, package)

    monkeypatch.setattr("importlib.util.find_spec", hide)
    for scheme, extra in (
        ("postgresql", "postgresql"),
        ("postgresql+psycopg", "psycopg"),
        ("mysql", "mysql"),
    ):
        with pytest.raises(ConfigurationError, match=rf'pip install "ormolu\[{extra}\]"'):
            Database(f"{scheme}://u:s3cret@h/d")


async def test_relative_and_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are relative to the working directory, four are absolute."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    for url, path in (
        ("sqlite:///one.db", tmp_path / "one.db"),
        ("sqlite:///inner/two.db", tmp_path / "inner" / "two.db"),
        (f"sqlite:///{tmp_path}/three.db", tmp_path / "three.db"),
        ("sqlite:///with space.db", tmp_path / "with space.db"),
    ):
        async with make_database(url):
            assert path.is_file()


async def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error with the command that makes it."""
    db = make_database(f"sqlite:///{tmp_path}/no/such/x.db")
    with pytest.raises(ConfigurationError, match=f'mkdir -p "{tmp_path}/no/such"'):
        await db.open()


@pytest.fixture(params=["sqlite://", "sqlite:///:memory:", ":memory:", "sqlite+ormolu://"])
def memory(request: pytest.FixtureRequest) -> Database:
    """A database in memory, each way to write it."""
    return make_database(request.param)


async def texts_of(db: Database) -> list[str]:
    """Read the notes."""
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))


async def test_memory_isolates_sessions(memory: Database) -> None:
    """A session does not see what another has not committed; its rollback harms nobody."""
    async with memory:
        async with memory.unit_of_work() as session:
            session.add(Note(text="kept"))
        with pytest.raises(ZeroDivisionError):
            async with memory.unit_of_work() as session:
                session.add(Note(text="undone"))
                await session.flush()
                assert await texts_of(memory) == ["kept"]
                raise ZeroDivisionError
        await asyncio.gather(*[_store(memory, f"{number}") for number in range(10)])
        assert len(await texts_of(memory)) == 11


async def _store(db: Database, name: str) -> None:
    async with db.unit_of_work() as session:
        session.add(Note(text=name))


async def test_memory_ends_with_its_database(memory: Database) -> None:
    """Closing keeps the rows, two databases share none, and the end of the object is theirs."""
    folder = Path(str(memory.url.database)).parent
    async with memory:
        await _store(memory, "a")
    async with memory, make_database("sqlite://") as other:
        assert await texts_of(memory) == ["a"]
        assert await texts_of(other) == []
    assert folder.is_dir()


async def test_memory_leaves_no_file_behind() -> None:
    """With the last reference to the database its rows are gone."""
    db = make_database("sqlite://")
    folder = Path(str(db.url.database)).parent
    async with db:
        await _store(db, "a")
    assert folder.is_dir()
    del db
    await asyncio.sleep(0)
    gc.collect()
    assert not folder.exists()
