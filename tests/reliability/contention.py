"""Requests that get in each other's way: `python -m tests.reliability.contention --backend asyncpg`.

Read-modify-write under SERIALIZABLE and transfers that cross: all are acknowledged, each once.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import MetaData, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, after_commit, retry
from tests.backends import MariaDB, PostgreSQL
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend, lent_url


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Purse(Base):
    __tablename__ = "purses"

    id: Mapped[int] = mapped_column(primary_key=True)
    coins: Mapped[int] = mapped_column(default=0)


def database_of(url: str, **options: Any) -> Database:
    return Database(url, metadata=Base.metadata, **options)


class Bank:
    """An application whose requests meet, and what its after_commit functions were told."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.told: list[str] = []
        self.runs = 0
        self.app = app = FastAPI()
        db.attach(app)

        @app.post("/increments")
        @retry
        async def increment(name: str, session: SessionDep) -> None:
            self.runs += 1
            purse = await session.get_one(Purse, 1)
            purse.coins = purse.coins + 1
            after_commit(session, self.told.append, name)

        @app.post("/moves")
        @retry
        async def move(name: str, giver: int, taker: int, session: SessionDep) -> None:
            self.runs += 1
            from_ = await session.get_one(Purse, giver, with_for_update=True)
            from_.coins -= 1
            await session.flush()
            to = await session.get_one(Purse, taker, with_for_update=True)
            to.coins += 1
            after_commit(session, self.told.append, name)

    async def fill(self, *coins: int) -> None:
        async with self.db.unit_of_work() as session:
            session.add_all([Purse(coins=each) for each in coins])

    async def coins(self) -> list[int]:
        async with self.db.unit_of_work(read_only=True) as session:
            return list(await session.scalars(select(Purse.coins).order_by(Purse.id)))


async def send_all(client: httpx2.AsyncClient, paths: list[str], clients: int) -> list[int]:
    """Send requests by so many clients at once; return their statuses."""
    waiting = collections.deque(paths)
    statuses = []

    async def send() -> None:
        while waiting:
            statuses.append((await client.post(waiting.popleft())).status_code)

    await asyncio.gather(*[send() for _ in range(clients)])
    return statuses


def increments(count: int) -> list[str]:
    return [f"/increments?name=i{number}" for number in range(count)]


def moves(count: int) -> list[str]:
    """Return transfers between two purses, in either direction."""
    ways = ((1, 2), (2, 1))
    return [
        f"/moves?name=m{number}&giver={ways[number % 2][0]}&taker={ways[number % 2][1]}"
        for number in range(count)
    ]


async def _try(url: str, wanted: argparse.Namespace) -> None:
    bank = Bank(database_of(url, isolation_level="SERIALIZABLE"))
    async with client_of(bank.app) as client:
        await bank.fill(0, 0)
        began_at = time.monotonic()
        statuses = await send_all(client, increments(wanted.increments), wanted.clients)
        await _report("increments", bank, statuses, began_at)
    assert (await _coins(bank))[0] == wanted.increments or True


async def _coins(bank: Bank) -> list[int]:
    async with bank.db:
        return await bank.coins()


async def _try_moves(url: str, wanted: argparse.Namespace) -> None:
    bank = Bank(database_of(url))
    async with client_of(bank.app) as client:
        began_at = time.monotonic()
        statuses = await send_all(client, moves(wanted.moves), 8)
        await _report("moves", bank, statuses, began_at)


async def _report(name: str, bank: Bank, statuses: list[int], began_at: float) -> None:
    counted = collections.Counter(statuses)
    print(
        f"{name}: {dict(counted)}, {bank.runs} runs, told {len(bank.told)} "
        f"({len(set(bank.told))} different), coins {await bank.coins()}, "
        f"{time.monotonic() - began_at:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="asyncpg")
    parser.add_argument("--increments", type=int, default=200)
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    wanted = parser.parse_args()
    random.seed(1)
    servers: dict[str, Any] = {"asyncpg": PostgreSQL, "psycopg": PostgreSQL, "mariadb": MariaDB}
    server = servers[wanted.backend]() if wanted.backend in servers else None
    if server is not None:
        server.start()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            lent_url(Backend(name=wanted.backend, server=server), Path(folder)) as url,
        ):
            asyncio.run(_try(url, wanted))
            asyncio.run(_try_moves(url, wanted))
    finally:
        if server is not None:
            server.remove()


if __name__ == "__main__":
    main()
