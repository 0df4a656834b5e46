"""A SQLite file that cannot be used says what it is and what to do, at the start and later."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from ormolu import ConfigurationError, Database, DatabaseDownError
from ormolu.engines._files import advise, is_of_file
from ormolu.engines._url import Target
from ormolu.faults import Fault
from tests.errors._shop import Shop, User, add, app_of, new_user
from tests.fixtures.apps import client_of


def shop(url: str, **options: object) -> Database:
    return Database(url, metadata=Shop.metadata, **options)  # type: ignore[arg-type]


@pytest.fixture
def no_database(tmp_path: Path) -> Path:
    """A file of something else."""
    path = tmp_path / "readme.db"
    path.write_text("This is a text, and no database at all. " * 200)
    return path


async def test_file_that_is_no_database(no_database: Path) -> None:
    """The start is refused by its path and with what it may be."""
    with pytest.raises(ConfigurationError, match=f"{no_database} is no SQLite database, or enc"):
        await shop(f"sqlite:///{no_database}").open()


async def test_file_that_is_no_database_later(
    no_database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a look at the start the log says it, and the answer does not."""
    db = shop(f"sqlite:///{no_database}", schema="ignore")
    async with client_of(app_of(db, lambda session: session.scalar(select(User.id)))) as client:
        for method in ("GET", "POST"):
            response = await client.request(method, "/act")
            assert response.status_code == 500
            assert "readme" not in response.text
    assert caplog.text.count(f"{no_database} is no SQLite database") >= 2


async def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """What cannot be opened is named, with what may be the reason."""
    with pytest.raises(DatabaseDownError, match=f"{tmp_path} cannot be opened: it is a folder"):
        await shop(f"sqlite:///{tmp_path}").open()


async def test_file_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read; a write is 503, and the log says which file it is."""
    path = tmp_path / "shop.db"
    async with shop(f"sqlite:///{path}"):
        pass
    db = shop(f"sqlite:///file:{path}?mode=ro&uri=true")
    async with client_of(app_of(db, new_user())) as client:
        assert (await client.post("/act")).json()["code"] == "read_only_database"
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(User.id)) is None
    assert f"{path} cannot be written: this user may not" in caplog.text
    assert "write-ahead log" not in caplog.text


async def test_tables_that_cannot_be_made(tmp_path: Path) -> None:
    """A start that has to write says so."""
    path = tmp_path / "empty.db"
    async with shop(f"sqlite:///{path}", schema="ignore") as db, db.unit_of_work() as session:
        await session.execute(text("CREATE TABLE other (id INTEGER)"))
    with pytest.raises(ConfigurationError, match=f"{path} cannot be written"):
        await shop(f"sqlite:///file:{path}?mode=ro&uri=true").open()


async def test_full_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No space is 507, and the log says where."""
    db = shop(f"sqlite:///{tmp_path}/shop.db")
    store = add(lambda: User(email="x", notes="x" * 100_000))

    async def act(session: object) -> None:
        await session.execute(text("PRAGMA max_page_count = 1"))  # type: ignore[attr-defined]
        await store(session)  # type: ignore[arg-type]

    async with client_of(app_of(db, act)) as client:
        assert (await client.post("/act")).json()["code"] == "storage_full"
    assert f"the disk of {tmp_path} has no space left" in caplog.text


@pytest.mark.parametrize("option", ["vfs=unix-dotfile", "nolock=1"])
async def test_no_write_ahead_log(
    tmp_path: Path, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where SQLite keeps another journal a line says so, once for a file, and all works."""
    url = f"sqlite:///file:{tmp_path}/shop.db?{option}&uri=true"
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with shop(url) as db:
            for name in ("a", "b"):
                async with db.unit_of_work() as session:
                    session.add(User(email=name))
                async with db.unit_of_work(read_only=True) as session:
                    assert await session.scalar(select(User.id).where(User.email == name))
    assert caplog.text.count("SQLite cannot have a write-ahead log for") == 1


async def test_journal_that_was_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another journal by the program's own wish is no warning."""
    engine = create_async_engine(f"sqlite+ormolu:///{tmp_path}/shop.db?journal_mode=delete")
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await engine.dispose()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("native", "words"),
    [
        ("SQLITE_READONLY_DIRECTORY", "may not write in /data, where SQLite keeps the write-ahead"),
        ("SQLITE_READONLY_CANTINIT", "the write-ahead log of /data/shop.db cannot be read"),
        ("SQLITE_READONLY_DBMOVED", "/data/shop.db was deleted or replaced"),
        ("SQLITE_IOERR_FSYNC", "the disk of /data fails"),
        ("SQLITE_CORRUPT_INDEX", "/data/shop.db is damaged"),
    ],
)
def test_advice(native: str, words: str) -> None:
    """The closest advice is given, without what a URI may hold behind its path."""
    for database in ("/data/shop.db", "file:/data/shop.db?key=s3cret"):
        target = Target(url=make_url("sqlite://").set(database=database))
        fault = advise(Fault(kind="internal_error", native=native), target)
        assert words in str(fault.advice)
        assert "s3cret" not in str(fault.advice)
        assert is_of_file(fault) is native.startswith("SQLITE_READONLY")


@pytest.mark.parametrize(
    ("url", "native"), [("sqlite:///a.db", "SQLITE_BUSY"), ("postgresql://h/d", "53100")]
)
def test_no_advice(url: str, native: str) -> None:
    """What is not about a file stays as it is."""
    fault = Fault(kind="busy", native=native)
    assert advise(fault, Target(url=make_url(url))) == fault
