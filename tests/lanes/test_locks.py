"""Locks of others: whose row it is waits, not those who share its batch; nobody waits in a ring."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import Any

import pytest
from sqlalchemy import Integer, select, text

from ormolu import OverloadedError
from ormolu.lanes import Item, Plan
from ormolu.lanes._outcome import Outcome
from tests.integration.subprocesses import running
from tests.lanes.things import Thing, execute, locked, served, statuses, turns, until_waiting


@pytest.mark.backends("asyncpg")
async def test_locked_row_holds_up_its_own_request(database_url: str) -> None:
    """Changes of other rows, of the same batch and after it, are stored; the one is told so."""
    async with served(database_url, lock_timeout=1.0) as shop:
        await shop.fill(5)
        async with locked(database_url, "SELECT * FROM things WHERE id = 3 FOR UPDATE"):
            late = asyncio.create_task(shop.change(3, number=9))
            others = await asyncio.gather(*(shop.change(key, number=9) for key in (1, 2, 4, 5)))
            assert statuses(others) == [200] * 4
            assert statuses([await shop.create("new")]) == [201]
            assert not late.done()
            assert (await late).status_code == 503
        assert (await shop.change(3, number=1)).status_code == 200


@pytest.mark.backends("asyncpg")
async def test_locked_row_on_another_connection(database_url: str) -> None:
    """A connection that is taken in place of one gives locks up as soon as that did."""
    async with served(database_url) as shop:
        await shop.fill(2)
        await shop.lanes._writes._pinned.drop()  # type: ignore[attr-defined]
        async with locked(database_url, "SELECT * FROM things WHERE id = 1 FOR UPDATE"):
            late = asyncio.create_task(shop.change(1, number=9))
            await turns(20)
            async with asyncio.timeout(4):
                assert (await shop.create("new")).status_code == 201
            assert not late.done()
        assert (await late).status_code == 200


@pytest.mark.backends("asyncpg")
async def test_many_locked_rows(database_url: str) -> None:
    """However many rows of a batch others have locked, the line goes on after one short wait."""
    async with served(database_url, lock_timeout=2.0) as shop:
        await shop.fill(40)
        async with locked(database_url, "UPDATE things SET number = 9"):
            changes = [asyncio.ensure_future(shop.change(key, number=1)) for key in range(1, 41)]
            await turns(20)
            assert (await shop.create("new")).status_code == 201
            assert not any(change.done() for change in changes)
            assert set(statuses(await asyncio.gather(*changes))) == {503}


@pytest.mark.backends("asyncpg")
async def test_rows_are_locked_in_their_order(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of two processes do not wait for each other: both begin with the least key."""
    monkeypatch.setattr("ormolu.lanes._postgresql_writes._LOCK_TIMEOUT", 5000)
    async with served(database_url, lock_timeout=10.0) as shop:
        await shop.fill(3)
        async with locked(database_url, "SELECT * FROM things WHERE id = 2 FOR UPDATE") as other:
            changes = asyncio.gather(*(shop.change(key, number=1) for key in (3, 2, 1)))
            await until_waiting(other)
            free = "SELECT id FROM things WHERE id <> 2 FOR UPDATE SKIP LOCKED"
            assert await execute(database_url, free) == [(3,)]
        assert statuses(await changes) == [200] * 3


@pytest.mark.backends("asyncpg")
async def test_lock_that_comes_free(database_url: str) -> None:
    """A change of a row that is locked for a moment is stored once the row is free."""
    async with served(database_url) as shop:
        await shop.fill(2)
        async with locked(database_url, "SELECT * FROM things WHERE id = 1 FOR UPDATE"):
            change = asyncio.create_task(shop.change(1, number=9))
            await asyncio.sleep(0.2)
        assert (await change).status_code == 200


@pytest.mark.backends("asyncpg")
async def test_statement_timeout(database_url: str) -> None:
    """The server's limit that a batch runs into is that of the one who takes so long."""
    function = (
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_sleep(CASE new.name WHEN 'slow' THEN 5 ELSE 0 END); RETURN new; END $$"
    )
    name = database_url.rpartition("/")[2]
    await execute(database_url, f"ALTER DATABASE {name} SET statement_timeout = 200")
    async with served(database_url) as shop:
        await execute(
            database_url, function,
            "CREATE TRIGGER slow BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION slow()",
        )  # fmt: skip
        calls = [shop.create("a"), shop.create("slow"), shop.create("b")]
        assert statuses(await asyncio.gather(*calls)) == [201, 504, 201]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_lock_of_another_program(database_url: str) -> None:
    """A file that is locked for too long refuses those who write, not those who read."""
    async with served(database_url, lock_timeout=0.3) as shop:
        await shop.fill(2)
        async with locked(database_url, "UPDATE things SET number = 7"):
            writes = asyncio.gather(*(shop.create(f"new {number}") for number in range(4)))
            assert (await shop.read(1)).json()["number"] == 0
            answers = await writes
            assert statuses(answers) == [503] * 4
            assert {answer.json()["code"] for answer in answers} == {"overloaded"}
            assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert statuses([await shop.create("after")]) == [201]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_wait_for_a_connection_is_counted_once(database_url: str) -> None:
    """A connection that was long in coming waits for later locks as long as any other."""
    async with served(database_url) as shop:
        await shop.fill(1)
        writes: Any = shop.lanes._writes  # type: ignore[attr-defined]
        (await writes._pinned.take()).waited = 60.0
        async with locked(database_url, "UPDATE things SET number = 7"):
            write = asyncio.create_task(shop.create("new"))
            await asyncio.sleep(0.2)
        assert (await write).status_code == 201


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_two_processes_change_the_same_rows(database_url: str) -> None:
    """In any order, many rows at a time: each change is stored, and none is refused."""
    command = [sys.executable, "-m", "tests.lanes.programs.change"]
    async with served(database_url, lock_timeout=20.0) as shop:
        await shop.fill(20)
        with running(command, DATABASE_URL=database_url) as process:
            chances = random.Random(3)
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
            for _ in range(15):
                keys = chances.sample(range(1, 21), 20)
                answers = await asyncio.gather(*(shop.change(key, number=1) for key in keys))
                assert statuses(answers) == [200] * 20
            output, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert output.splitlines()[-1] == "all stored"


@pytest.mark.backends("sqlite")
async def test_line_that_does_not_move(database_url: str) -> None:
    """A unit of work that keeps the lock is waited for no longer than any lock is."""
    async with served(database_url, lock_timeout=0.2) as shop:
        await shop.fill(1)
        async with shop.db.unit_of_work() as holder, asyncio.timeout(20):
            await holder.execute(text("UPDATE things SET number = 7"))
            answers = await asyncio.gather(*(shop.create(f"new {number}") for number in range(3)))
            assert statuses(answers) == [503] * 3
            with pytest.raises(OverloadedError):
                async with shop.db.engine.connect() as nested:
                    await nested.execute(text("UPDATE things SET number = 8"))
        assert statuses([await shop.create("after")]) == [201]


@pytest.mark.backends("sqlite")
async def test_batch_is_not_given_up_with_its_first(database_url: str) -> None:
    """Those of a batch who came later go on waiting, and are stored once the lock is free."""
    async with served(database_url, pool_timeout=2.0) as shop:
        await shop.fill(1)
        writes: Any = shop.lanes._writes  # type: ignore[attr-defined]
        plan = Plan(select(Thing.id).where(Thing.id > 1), [Integer()], shop.db.engine.dialect)
        old, young = batch = [Item(plan, plan.arguments({})) for _ in range(2)]
        for item, age in zip(batch, (100.0, -100.0), strict=True):
            item.future, item.began_at = Outcome(), time.monotonic() - age
        connection = await writes._pinned.take()
        connection.level = "AUTOCOMMIT"
        async with shop.db.unit_of_work() as holder:
            await holder.execute(text("UPDATE things SET number = 7"))
            settling = asyncio.create_task(writes._settle(connection, batch))
            with pytest.raises(OverloadedError):
                await old.future
            await turns(20)
            assert not young.future.done()
        await settling
        assert await young.future == []
