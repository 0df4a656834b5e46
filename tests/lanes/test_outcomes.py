"""What is known of a write when its connection breaks or its log cannot be synced."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from ormolu.lanes._postgresql_writes import _is_rolled_back
from tests.dialect.test_shared_syncs import Log
from tests.lanes.things import (
    Served,
    execute,
    locked,
    served,
    statuses,
    turns,
    until,
    until_waiting,
)
from tests.reliability._observer import checked_out

_SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_sleep(CASE new.name WHEN 'slow' THEN 30 ELSE 0 END); RETURN new; END $$",
    "CREATE TRIGGER slow BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION slow()",
)
_SLEEPERS = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


@asynccontextmanager
async def sleeping(shop: Served, url: str) -> AsyncIterator[asyncio.Task[list[int]]]:
    """Have a batch under way that sleeps in the server, with two rows stored before it sleeps."""
    await execute(url, *_SLOW)

    async def write() -> list[int]:
        calls = [shop.create("a"), shop.create("b"), shop.create("slow"), shop.create("c")]
        return statuses(await asyncio.gather(*calls))

    task = asyncio.create_task(write())
    await until(lambda: execute(url, f"SELECT pid {_SLEEPERS}"))
    yield task


@pytest.mark.backends("asyncpg")
async def test_connection_lost_in_a_batch(database_url: str) -> None:
    """All of the batch are told that nobody knows, nothing is sent again, the next is stored."""
    async with served(database_url) as shop:
        async with sleeping(shop, database_url) as task:
            await execute(database_url, f"SELECT pg_terminate_backend(pid) {_SLEEPERS}")
            assert await task == [503] * 4
        assert (await shop.create("after")).status_code == 201
        assert await execute(database_url, "SELECT name FROM things") == [("after",)]
        # The lanes' own: two that read, if they did, and one that writes.
        assert checked_out(shop.db) <= 3


@pytest.mark.backends("asyncpg")
async def test_unknown_outcome_says_so(database_url: str) -> None:
    """A create whose connection was lost is 503 `outcome_unknown`."""
    async with served(database_url) as shop:
        await execute(database_url, *_SLOW)
        task = asyncio.create_task(shop.create("slow"))
        kill = f"SELECT pg_terminate_backend(pid) {_SLEEPERS}"
        await until(lambda: execute(database_url, kill))
        answer = await task
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")


@pytest.mark.backends("asyncpg")
async def test_silence_is_no_outcome(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer in time is not waited for, nor its connection used again."""
    monkeypatch.setattr("ormolu.lanes._postgresql_writes._SILENCE", 0.2)
    async with served(database_url) as shop:
        pinned: Any = shop.lanes._writes._pinned  # type: ignore[attr-defined]
        connection = await pinned.take()
        async with sleeping(shop, database_url) as task:
            assert await task == [503] * 4
        assert (await shop.create("after")).status_code == 201
        assert await pinned.take() is not connection


@pytest.mark.backends("asyncpg")
async def test_error_that_says_that_nobody_knows(database_url: str) -> None:
    """A write that fails so, as on a foreign server, is not done again."""
    function = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM nextval('tries'); RAISE EXCEPTION 'no' USING ERRCODE = '40003'; END $$"
    )
    async with served(database_url) as shop:
        await execute(
            database_url, "CREATE SEQUENCE tries", function,
            "CREATE TRIGGER t BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()",
        )  # fmt: skip
        answer = await shop.create("new")
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert await execute(database_url, "SELECT last_value FROM tries") == [(1,)]


@pytest.mark.parametrize(("severity", "is_known"), [("ERROR", True), ("FATAL", False)])
def test_errors_that_end_a_connection(severity: str, *, is_known: bool) -> None:
    """They are no word on what is stored, whatever their code."""
    error = asyncpg.PostgresError.new({"S": severity, "V": severity, "C": "57P05", "M": "no"})
    assert _is_rolled_back(None, error) is is_known


@pytest.mark.backends("asyncpg")
async def test_connections_lost_while_idle(database_url: str) -> None:
    """Reads and writes after that open other connections, and nobody notices."""
    async with served(database_url) as shop:
        await shop.fill(3)
        assert (await shop.client.get("/things")).is_success
        assert (await shop.read(1)).is_success
        held = checked_out(shop.db)
        await execute(database_url, _OTHERS)
        await asyncio.sleep(0.05)
        calls = [shop.read(1), shop.client.get("/things"), shop.change(1, number=1), shop.read(2)]
        assert statuses(await asyncio.gather(*calls)) == [200] * 4
        assert statuses([await shop.create("x"), await shop.read(4)]) == [201, 200]
        assert checked_out(shop.db) == held


@pytest.mark.backends("asyncpg")
async def test_connection_without_a_sign_of_life(database_url: str) -> None:
    """A connection that idled and cannot be used is dropped; a session stores the row."""
    async with served(database_url) as shop:
        await shop.fill(1)
        writes: Any = shop.lanes._writes  # type: ignore[attr-defined]
        connection = await writes._pinned.take()
        busy = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
        await turns(5)
        writes._used_at = 0.0
        assert statuses([await shop.create("a"), await shop.create("b")]) == [201, 201]
        assert shop.passed_on == ["POST /things"]
        with pytest.raises(asyncpg.PostgresError):
            await busy


@pytest.mark.backends("asyncpg")
async def test_connection_lost_in_a_read(database_url: str) -> None:
    """Reads whose connection is lost meanwhile are answered all the same, over another one."""
    async with served(database_url, pool_timeout=5.0) as shop:
        await shop.fill(3)
        assert (await shop.read(1)).is_success
        async with locked(database_url, "LOCK TABLE things") as connection:
            reads = asyncio.gather(*(shop.read(key) for key in (1, 2, 3)))
            await until_waiting(connection)
            await connection.execute(text(_OTHERS))
        assert statuses(await reads) == [200] * 3
        assert (await shop.read(1)).is_success
        assert checked_out(shop.db) <= 3


@pytest.mark.backends("asyncpg")
async def test_connection_that_cannot_be_read_from(database_url: str) -> None:
    """One that answers nobody any more is dropped, though it is open: the next have another."""
    async with served(database_url) as shop:
        await shop.fill(2)
        points: Any = shop.lanes._points  # type: ignore[attr-defined]
        connection = await points._pinned.take()
        busy = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
        await turns(5)
        assert statuses([await shop.read(key) for key in (1, 2, 1)]) == [200] * 3
        assert shop.passed_on == ["GET /things/1"]
        with pytest.raises(asyncpg.PostgresError):
            await busy


_WAIT = (
    "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION wait()",
)


@pytest.mark.backends("asyncpg")
async def test_nothing_is_answered_before_its_commit(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose statements are done is answered when its COMMIT is."""
    monkeypatch.setattr("ormolu.lanes._postgresql_writes._LOCK_TIMEOUT", 5000)
    async with served(database_url) as shop:
        await execute(database_url, *_WAIT)
        async with locked(database_url, "SELECT pg_advisory_xact_lock(7)") as connection:
            tasks = [asyncio.create_task(shop.create(f"new {number}")) for number in range(3)]
            await until_waiting(connection)
            await turns(50)
            assert not any(task.done() for task in tasks)
        assert statuses(await asyncio.gather(*tasks)) == [201] * 3
        assert shop.passed_on == []


@pytest.mark.backends("sqlite")
async def test_failed_sync(database_url: str, log: Log) -> None:
    """All of a batch whose log was not synced are told that nobody knows, and are not redone."""
    async with served(database_url) as shop:
        await shop.fill(1)
        log.is_broken = True
        answers = await asyncio.gather(*(shop.create(f"new {n}") for n in range(4)))
        assert statuses(answers) == [503] * 4
        assert {each.json()["code"] for each in answers} == {"outcome_unknown"}
        assert shop.passed_on == ["POST /things"] * 4
        log.is_broken = False
        assert (await shop.create("after")).status_code == 201
        rows = await execute(database_url, "SELECT name FROM things ORDER BY id")
        assert rows[-1] == ("after",)
        assert len(rows) == len(set(rows)) <= 6


@pytest.mark.backends("sqlite")
async def test_log_that_cannot_be_begun_anew(database_url: str, path: str, log: Log) -> None:
    """While others read a log that may have a hole nothing is written, and that is known."""
    async with served(database_url) as shop:
        await shop.fill(1)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM things").fetchall()
            log.is_broken = True
            assert (await shop.create("lost")).json()["code"] == "outcome_unknown"
            log.is_broken = False
            assert (await shop.create("refused")).json()["code"] == "database_unavailable"
        assert (await shop.create("after")).status_code == 201


@pytest.mark.backends("sqlite")
async def test_nothing_is_answered_before_its_sync(database_url: str, log: Log) -> None:
    """A batch is answered after a sync that began after its COMMIT."""
    async with served(database_url) as shop:
        await shop.fill(1)
        log.held.clear()
        log.begun.clear()
        log.count = 0
        tasks = [asyncio.create_task(shop.create(f"new {number}")) for number in range(5)]
        await asyncio.to_thread(log.begun.wait, 5)
        await turns(50)
        assert not any(task.done() for task in tasks)
        log.held.set()
        assert statuses(await asyncio.gather(*tasks)) == [201] * 5
        assert b"new 4" in log.synced
        assert log.count == 1


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_one_sync_for_a_batch(database_url: str, log: Log) -> None:
    """Those who write at once share their syncs."""
    async with served(database_url) as shop:
        await shop.fill(1)
        log.count = 0
        await asyncio.gather(*(shop.create(f"new {number}") for number in range(60)))
        assert 1 <= log.count <= 3
        assert shop.passed_on == []
