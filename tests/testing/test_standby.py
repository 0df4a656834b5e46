"""A primary with a standby, whose replay a test can pause."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text

from ormolu import ConfigurationError, Database
from ormolu.testing import PostgreSQLStandby, _standby, postgresql_standby
from ormolu.testing._binaries import find_package


@pytest.fixture(scope="module")
def standby() -> Iterator[PostgreSQLStandby]:
    """A standby of this module, with its primary."""
    try:
        find_package()
    except ConfigurationError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED, {error}")
    standby = postgresql_standby()
    yield standby
    standby.close()
    standby.primary.close()


@pytest.fixture
def name(standby: PostgreSQLStandby) -> Iterator[str]:
    """A database of the primary's with a table, which is on the standby, too."""
    name = make_url(standby.primary.create_database()).database
    assert name is not None
    standby.catch_up()
    yield name
    standby.primary.drop_database(name)


@pytest.mark.long
async def test_reads_lag_as_long_as_a_test_wants(standby: PostgreSQLStandby, name: str) -> None:
    """What is committed on the primary is not on the standby before its replay goes on."""
    assert postgresql_standby() is standby
    count = text("SELECT count(*) FROM notes")
    async with (
        Database(standby.primary.url(name)) as primary,
        Database(standby.url(name)) as replica,
    ):
        async with primary.unit_of_work() as session:
            await session.execute(text("CREATE TABLE notes (id int)"))
        with standby.paused():
            async with primary.unit_of_work() as session:
                await session.execute(text("INSERT INTO notes VALUES (1)"))
                assert await session.scalar(count) == 1
            async with replica.unit_of_work(read_only=True) as session:
                assert await session.scalar(count) == 0
        async with replica.unit_of_work(read_only=True) as session:
            assert await session.scalar(count) == 1


@pytest.mark.long
async def test_standby_takes_no_writes(standby: PostgreSQLStandby, name: str) -> None:
    """It says so, and logs what it does."""
    assert standby.execute("SELECT pg_is_in_recovery()") == [(True,)]
    async with Database(standby.url(name), schema="ignore") as replica:
        with pytest.raises(Exception, match="read-only"):
            async with replica.unit_of_work() as session:
                await session.execute(text("CREATE TABLE notes (id int)"))
    assert "started streaming WAL" in standby.log


@pytest.mark.long
def test_standby_that_is_paused_does_not_catch_up(
    standby: PostgreSQLStandby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it is told, and not for ever."""
    standby.catch_up()
    standby.pause_replay()
    try:
        standby.primary.execute("CREATE TABLE marks (id int)", "DROP TABLE marks")
        monkeypatch.setattr(_standby, "_PATIENCE", 0)
        with pytest.raises(TimeoutError, match="did not come to what the primary has at"):
            standby.catch_up()
    finally:
        monkeypatch.undo()
        standby.resume_replay()
        standby.catch_up()
