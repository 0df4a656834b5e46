"""Requests that get in each other's way: all are acknowledged, each is stored once.

`python -m tests.reliability.contention --backend asyncpg`: read-modify-write of one row under
SERIALIZABLE, and transfers that cross, of which PostgreSQL finds each deadlock after a second.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import tempfile
import time
from collections.abc import Sequence
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


class Bank:
    """An application whose requests meet, and what its `after_commit` functions were told."""

    def __init__(self, url: str, **options: Any) -> None:
        self.db = Database(url, metadata=Base.metadata, **options)
        self.told: list[str] = []
        self.app = app = FastAPI()
        self.db.attach(app)

        @app.post("/increments")
        @retry
        async def increment(name: str, session: SessionDep) -> None:
            purse = await session.get_one(Purse, 1)
            purse.coins = purse.coins + 1
            after_commit(session, self.told.append, name)

        @app.post("/moves")
        @retry
        async def move(name: str, giver: int, taker: int, session: SessionDep) -> None:
            given = await session.get_one(Purse, giver, with_for_update=True)
            given.coins -= 1
            await session.flush()
            taken = await session.get_one(Purse, taker, with_for_update=True)
            taken.coins += 1
            after_commit(session, self.told.append, name)

    async def fill(self) -> None:
        """Make two empty purses."""
        async with self.db.unit_of_work() as session:
            session.add_all([Purse(id=1), Purse(id=2)])

    async def coins(self) -> list[int]:
        """Return what is in them."""
        async with self.db.unit_of_work(read_only=True) as session:
            return list(await session.scalars(select(Purse.coins).order_by(Purse.id)))


def increments(count: int) -> list[str]:
    return [f"/increments?name={number}" for number in range(count)]


def moves(count: int) -> list[str]:
    """Return transfers between two purses, in either direction in turn."""
    ways = ("giver=1&taker=2", "giver=2&taker=1")
    return [f"/moves?name={number}&{ways[number % 2]}" for number in range(count)]


async def send_all(client: httpx2.AsyncClient, paths: Sequence[str], clients: int) -> list[int]:
    """Send requests by so many clients at once; return their statuses."""
    waiting, statuses = collections.deque(paths), []

    async def send() -> None:
        while waiting:
            statuses.append((await client.post(waiting.popleft())).status_code)

    await asyncio.gather(*[send() for _ in range(clients)])
    return statuses


async def check(bank: Bank, paths: Sequence[str], clients: int, coins: Sequence[int]) -> None:
    """Send requests, and look whether each was acknowledged, and has happened once."""
    async with client_of(bank.app) as client:
        await bank.fill()
        statuses = await send_all(client, paths, clients)
        assert set(statuses) == {200}, collections.Counter(statuses)
        assert len(bank.told) == len(set(bank.told)) == len(paths)
        assert await bank.coins() == list(coins)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="asyncpg")
    parser.add_argument("--increments", type=int, default=200)
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    wanted = parser.parse_args()
    tries = {
        "increments": (increments(wanted.increments), (wanted.increments, 0), "SERIALIZABLE"),
        "moves": (moves(wanted.moves), (-(wanted.moves % 2), wanted.moves % 2), None),
    }
    servers: dict[str, Any] = {"asyncpg": PostgreSQL, "psycopg": PostgreSQL, "mariadb": MariaDB}
    server = servers[wanted.backend]() if wanted.backend in servers else None
    if server is not None:
        server.start()
    backend = Backend(name=wanted.backend, server=server)
    try:
        for name, (paths, coins, level) in tries.items():
            with tempfile.TemporaryDirectory() as folder, lent_url(backend, Path(folder)) as url:
                began_at = time.monotonic()
                bank = Bank(url, isolation_level=level)
                asyncio.run(check(bank, paths, wanted.clients, coins))
            print(f"{name} on {wanted.backend}: {len(paths)} of {len(paths)} acknowledged and "
                  f"stored once, {time.monotonic() - began_at:.1f} s")  # fmt: skip
    finally:
        if server is not None:
            server.remove()


if __name__ == "__main__":
    main()
