"""What people paste as a URL."""

from __future__ import annotations

import ssl
import traceback
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from ormolu import ConfigurationError, Database
from ormolu.engines._url import read_url


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///x.db", "sqlite+ormolu:///x.db"),
        ("sqlite:////var/x.db", "sqlite+ormolu:////var/x.db"),
        ("sqlite+ormolu:///x.db", "sqlite+ormolu:///x.db"),
        (" sqlite:///x.db\n", "sqlite+ormolu:///x.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        (
            "postgresql+psycopg://u@h/d?sslmode=require",
            "postgresql+psycopg://u@h/d?sslmode=require",
        ),
        ("postgresql+psycopg_async://u@h/d", "postgresql+psycopg_async://u@h/d"),
        ("mysql://u:p@h/d", "mysql+asyncmy://u:p@h/d"),
        ("mysql+asyncmy://u:p@h/d?charset=utf8mb4", "mysql+asyncmy://u:p@h/d?charset=utf8mb4"),
        ("mariadb://u:p@h/d", "mariadb+asyncmy://u:p@h/d"),
        ("postgres://u:p%40%3A%2F@h/d", "postgresql+asyncpg://u:p%40%3A%2F@h/d"),
    ],
)
def test_url_gets_an_asynchronous_driver(given: str, expected: str) -> None:
    """A URL without a driver gets the one that does not block."""
    assert read_url(given).url.render_as_string(hide_password=False) == expected


@pytest.mark.parametrize("password", ["100%", "%", "a%zz", "50%25", "%(name)s"])
def test_percent_in_a_password_is_kept(password: str) -> None:
    """A percent sign reaches the driver as the person meant it."""
    url = URL.create("postgresql", "me", password, "host", database="d")
    assert read_url(url).url.password == password
    assert read_url(url.render_as_string(hide_password=False)).url.password == password


def test_url_object_is_taken() -> None:
    """A URL object works like its text."""
    assert read_url(make_url("sqlite:///x.db")).url.drivername == "sqlite+ormolu"


@pytest.mark.parametrize(
    "given", ["sqlite://", ":memory:", "sqlite:///:memory:", "sqlite+ormolu://"]
)
def test_memory_is_a_file_that_ends_with_its_database(given: str) -> None:
    """An in-memory database leaves nothing behind."""
    database = Database(given)
    folder = Path(str(database.url.database)).parent
    assert folder.is_dir()
    del database
    assert not folder.exists()


def test_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument it is $DATABASE_URL, else a file app.db."""
    monkeypatch.setenv("DATABASE_URL", "postgres://h/d")
    assert Database().url.drivername == "postgresql+asyncpg"
    monkeypatch.setenv("DATABASE_URL", "")
    assert Database().url.database == "app.db"
    monkeypatch.delenv("DATABASE_URL")
    assert str(Database().url) == "sqlite+ormolu:///app.db"


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("sqlite+pysqlite:///x.db", "sqlite+ormolu://"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://"),
        ("postgresql+pg8000://h/d", "postgresql+asyncpg://"),
        ("mysql+pymysql://h/d", "mysql+asyncmy://"),
        ("mysql+mysqldb://h/d", "mysql+asyncmy://"),
        ("mariadb+pymysql://h/d", "mariadb+asyncmy://"),
        ("mssql+pyodbc://h/d", "asynchronous driver"),
    ],
)
def test_blocking_driver_is_refused(given: str, instead: str) -> None:
    """A driver that blocks the event loop is an error that names the one to write."""
    with pytest.raises(ConfigurationError, match="blocks the event loop") as error:
        Database(given)
    assert instead in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        "app.db", "", "postgresql//u:secret@h/d", "http:secret", "postgresql://u:s@e:cret@h:x/d",
        "postgresql://u:secret/1", "mysql:///u:secret@h/d", "mysql://u:secret,h/d",
        "postgresql://u:secret:5,h/d", "postgresql+psycopg:///u:secret@h",
        "postgresql://u:secret,h/d", "postgresql://u:secret@,h/d", "postgresql://u:@secret@h/d",
    ],
)  # fmt: skip
def test_nonsense_is_refused_without_showing_it(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no URL is an error that says what to write, and shows no password."""
    monkeypatch.setenv("DATABASE_URL", given)
    if given == "":
        assert Database().url.database == "app.db"
        return
    with pytest.raises(ConfigurationError, match=r"it may .* a password") as error:
        Database()
    assert "secret" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u@h/d?password=secret", "postgresql+psycopg://u@h/d?password=secret",
        "postgresql+psycopg://u@h/d?sslpassword=secret", "mysql://u@h/d?password=secret",
        "postgresql://u@h/d?sslpassword=secret", "postgresql://u@h,i/d?password=secret",
    ],
)  # fmt: skip
def test_a_password_in_the_query_is_shown_to_nobody(given: str) -> None:
    """SQLAlchemy shows a URL without the password before its host, and with all of its query."""
    database = Database(given)
    assert "secret" not in f"{database!r} {database.url}"
    assert "secret" in str(read_url(given).connect_args)


def test_unknown_database_is_refused() -> None:
    """A scheme that nobody knows is an error that lists the known ones."""
    with pytest.raises(ConfigurationError, match="postgresql"):
        Database("postgress://h/d")


def test_missing_driver_names_its_extra() -> None:
    """A driver that is not installed is an error with the command that installs it."""
    with pytest.raises(ConfigurationError, match="pip install"):
        Database("mysql+aiomysql://h/d")


MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


@pytest.mark.parametrize("mode", MODES)
def test_asyncpg_gets_the_options_of_libpq_in_a_dsn(mode: str) -> None:
    """asyncpg reads `sslmode` and its like from a DSN only."""
    target = read_url(
        f"postgres://u:p@h/d?sslmode={mode}&sslrootcert=/x.pem&application_name=a&connect_timeout=3"
    )
    assert dict(target.url.query) == {}
    dsn = make_url(target.connect_args["dsn"])
    assert dsn.query == {"sslmode": mode, "sslrootcert": "/x.pem", "application_name": "a"}
    assert target.connect_args["timeout"] == 3.0


def test_channel_binding() -> None:
    """asyncpg cannot require it, which is said; preferring it is no demand."""
    with pytest.raises(ConfigurationError, match="psycopg"):
        Database("postgres://u:p@h/d?sslmode=require&channel_binding=require")
    target = read_url("postgres://u:p@h/d?channel_binding=prefer")
    assert dict(target.url.query) == {}
    assert dict(target.connect_args) == {}


@pytest.mark.parametrize(
    ("query", "verify", "hostname"),
    [
        ("ssl-mode=REQUIRED", ssl.CERT_NONE, False),
        ("ssl_mode=VERIFY_CA", ssl.CERT_REQUIRED, False),
        ("sslmode=VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ],
)
def test_mysql_gets_a_context_for_its_ssl_mode(
    query: str, verify: ssl.VerifyMode, *, hostname: bool
) -> None:
    """`ssl-mode` becomes what asyncmy understands."""
    target = read_url(f"mysql://u:p@h/d?{query}&charset=utf8mb4")
    context = target.connect_args["ssl"]
    assert (context.verify_mode, context.check_hostname) == (verify, hostname)
    assert dict(target.url.query) == {"charset": "utf8mb4"}


@pytest.mark.parametrize("query", ["", "?ssl-mode=DISABLED", "?ssl-mode=PREFERRED"])
def test_mysql_without_tls(query: str) -> None:
    """Without a demand there is no TLS."""
    assert dict(read_url(f"mysql://u:p@h/d{query}").connect_args) == {}


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A SQLite file in a folder that is not there is an error with the command to make it."""
    database = Database(f"sqlite:///{tmp_path}/no/such/x.db")
    with pytest.raises(ConfigurationError, match=r"mkdir -p .*no/such"):
        await database.open()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("connection_limit=5", "'connection_limit' in the URL is not MySQL's. Write Database"),
        ("pool_timeout=5", "pool_timeout=..."),
        ("useSSL=false", "ssl-mode=REQUIRED or ssl-mode=DISABLED"),
        ("ssl=true", "ssl-mode=REQUIRED or ssl-mode=DISABLED"),
        ("nonsense=1", "'nonsense' in the URL means nothing to MySQL"),
        ("connect_timeout=soon", "connect_timeout='soon' in the URL: write a whole number"),
    ],
)
@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_mysql_parameter_that_is_refused(scheme: str, query: str, words: str) -> None:
    """By its name and with what to write; asyncmy would raise a TypeError."""
    with pytest.raises(ConfigurationError) as caught:
        read_url(f"{scheme}://u:s3cret@h/d?{query}")
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("query", ["charset=utf8mb4", "connect_timeout=5", "ssl_ca=/ca.pem"])
def test_mysql_parameter_that_is_known(query: str) -> None:
    """What the driver or SQLAlchemy takes stays."""
    name, value = query.split("=")
    assert dict(read_url(f"mysql://u@h/d?{query}").url.query) == {name: value}


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize("name", ["connect_timeout", "keepalives_idle"])
def test_postgresql_number_that_is_none(scheme: str, name: str) -> None:
    """Both drivers are told the same."""
    with pytest.raises(ConfigurationError, match=f"{name}='abc' in the URL: write a whole number"):
        read_url(f"{scheme}://u@h/d?{name}=abc")
