"""Writers at once: every transaction counts, in one process and in several."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.dialect._increments import increment
from tests.dialect.test_transactions import WRITE, read

PROGRAM = Path(__file__).with_name("_increments.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.long
async def test_read_modify_write_in_one_process(engine: AsyncEngine) -> None:
    """8 connections x 60 transactions add up exactly."""
    await increment(engine, 8, 60)
    assert await read(engine) == 480


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_read_modify_write_in_four_processes(engine: AsyncEngine, path: Path) -> None:
    """4 processes x 8 connections x 20 transactions add up exactly, without an error."""
    command = [sys.executable, str(PROGRAM), str(path), "8", "20"]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=pipe) for _ in range(4)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [error for _, error in ends] == [b""] * 4
    assert await read(engine) == 640


@pytest.mark.long
async def test_first_statement_that_writes_needs_no_option(engine: AsyncEngine) -> None:
    """Increments in one statement never meet, whatever the number of tasks."""

    async def work() -> None:
        for _ in range(20):
            async with engine.begin() as connection:
                await connection.execute(WRITE)

    await asyncio.gather(*(work() for _ in range(15)))
    assert await read(engine) == 300


async def test_readers_do_not_wait_for_a_writer(engine: AsyncEngine) -> None:
    """While a transaction writes and waits, reads go on and see what was before."""
    async with engine.connect() as writer:
        await writer.execute(WRITE)
        async with asyncio.timeout(2):
            assert await asyncio.gather(*(read(engine) for _ in range(30))) == [0] * 30
        await writer.execute(text("SELECT 1"))
        await writer.commit()
