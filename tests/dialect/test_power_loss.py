"""What was acknowledged outlives a loss of power at any moment."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.dialect._powerless import Connection, Disk, write_image

ROWS = 400


async def store_rows(disk: Disk, name: str, durability: str) -> None:
    """Store rows from four tasks, and note each once its COMMIT has returned."""
    engine = create_async_engine(
        f"sqlite+ormolu:///power.db?durability={durability}",
        pool_size=1, max_overflow=0,
        connect_args={"connect": lambda _database, **_options: Connection(name)},
    )  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)"))

    async def work(first: int) -> None:
        for number in range(first, ROWS, 4):
            async with engine.begin() as connection:
                insert = text("INSERT INTO t VALUES (:id, randomblob(3000))")
                await connection.execute(insert, {"id": number})
            disk.acknowledged.add(number)

    await asyncio.gather(*(work(first) for first in range(4)))
    await engine.dispose()


def lost_rows(disk: Disk, folder: Path) -> int:
    """Open what each loss of power left, and count the acknowledged rows that are not there."""
    lost = 0
    for number, (image, acknowledged) in enumerate(disk.images):
        connection = sqlite3.connect(write_image(image, folder / str(number)))
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        exists = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        stored = {row[0] for row in connection.execute("SELECT id FROM t")} if exists else set()
        lost += len(acknowledged - stored)
        connection.close()
    return lost


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_acknowledged_rows_outlive_a_loss_of_power(tmp_path: Path, seed: int) -> None:
    """By default no row is lost, whichever unsynced writes survive, checkpoints included."""
    disk = Disk(f"safe{seed}", seed, chance=0.02)
    await store_rows(disk, f"safe{seed}", "power-loss")
    assert len(disk.images) > 20
    assert lost_rows(disk, tmp_path) == 0


@pytest.mark.long
async def test_process_durability_may_lose_the_last_rows(tmp_path: Path) -> None:
    """The weaker setting loses rows, as it says, and harms no file; so the test above can fail."""
    disk = Disk("fast", 3, chance=0.02)
    await store_rows(disk, "fast", "process")
    assert lost_rows(disk, tmp_path) > 0
