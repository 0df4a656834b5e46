"""Load on a cluster of three nodes, of which one is killed and comes back.

`python -m tests.reliability.galera`: two applications write, each by a node of its own. What was
acknowledged is on every node in the end, and nobody is told 5xx but within two seconds of the kill.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import logging
import time
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, resource, retry
from tests.backends import Galera
from tests.fixtures.apps import client_of

_CLIENTS = 3  # of each kind, and of each application
_COUNTERS = 8
_UNSETTLED = 2.0  # seconds after the kill


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class Counter(Base):
    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)


def make_app(url: str) -> FastAPI:
    """Return an application that creates rows by a resource, and counts by hand."""
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Note))

    @app.post("/counters/{number}")
    @retry(times=8)
    async def count(number: int, session: SessionDep) -> None:
        counter = await session.get_one(Counter, number, with_for_update=True)
        counter.count += 1

    @app.post("/counters")
    async def fill(session: SessionDep) -> None:
        session.add_all([Counter(id=each) for each in range(1, _COUNTERS + 1)])

    return app


class Load:
    """What was asked, and what was answered."""

    def __init__(self) -> None:
        self.answers: collections.Counter[str] = collections.Counter()
        self.late: list[str] = []
        self.notes: set[str] = set()
        self.counted = 0
        self.unsure = 0
        self.killed_at = float("inf")
        self.slowest = 0.0
        self.is_over = False

    async def create(self, client: httpx2.AsyncClient, name: str) -> None:
        """Create rows."""
        number = 0
        while not self.is_over:
            text, number = f"{name}-{number}", number + 1
            if await self._send(client, "/notes", json={"text": text}):
                self.notes.add(text)

    async def count(self, client: httpx2.AsyncClient, first: int) -> None:
        """Add to one counter after the other."""
        number = first
        while not self.is_over:
            number = number % _COUNTERS + 1
            if await self._send(client, f"/counters/{number}"):
                self.counted += 1

    async def read(self, client: httpx2.AsyncClient) -> None:
        """Read rows."""
        while not self.is_over:
            await self._send(client, "/notes?limit=5&sort=-id", method="GET")

    async def _send(
        self, client: httpx2.AsyncClient, path: str, method: str = "POST", **options: Any
    ) -> bool:
        began_at = time.monotonic()
        answer = await client.request(method, path, **options)
        ended_at = time.monotonic()
        self.slowest = max(self.slowest, ended_at - began_at)
        self.answers[f"{method} {answer.status_code}"] += 1
        if answer.status_code >= 500:
            self.unsure += method == "POST"
            if not self.killed_at <= ended_at <= self.killed_at + _UNSETTLED:
                after = ended_at - self.killed_at
                self.late.append(f"{after:.2f} s after the kill: {answer.text[:300]}")
        return answer.status_code < 300


async def run(cluster: Galera, seconds: float) -> list[str]:
    """Load it, and kill a node; return what is wrong."""
    cluster.nodes[0].create_database("shop")
    load, apps = Load(), [make_app(cluster.url("shop", first)) for first in (0, 1)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        (await one.post("/counters")).raise_for_status()
        kinds = [
            work
            for app, client in enumerate((one, other))
            for number in range(_CLIENTS)
            for work in (
                load.create(client, f"{app}-{number}"), load.count(client, app * 4 + number),
                load.read(client),
            )
        ]  # fmt: skip
        tasks = [asyncio.create_task(each) for each in kinds]
        await asyncio.sleep(seconds)
        print(f"  before: {dict(sorted(load.answers.items()))}", flush=True)
        load.answers.clear()
        load.killed_at = time.monotonic()
        await asyncio.to_thread(cluster.nodes[0].kill)
        await asyncio.sleep(2 * seconds)
        print(f"  killed: {dict(sorted(load.answers.items()))}, slowest {load.slowest:.1f} s",
              flush=True)  # fmt: skip
        load.answers.clear()
        await asyncio.to_thread(cluster.nodes[0].recover)
        await asyncio.to_thread(cluster.nodes[0].start)
        await asyncio.sleep(seconds)
        print(f"  back: {dict(sorted(load.answers.items()))}", flush=True)
        load.is_over = True
        await asyncio.gather(*tasks)
    return [*load.late, *missing(cluster, load)]


def missing(cluster: Galera, load: Load) -> list[str]:
    """Return what was acknowledged and is not there."""
    wrong: list[str] = []
    for number, node in enumerate(cluster.nodes):
        node.execute("SET SESSION wsrep_sync_wait = 1; SELECT 1")
        stored = set(node.ask_all("SELECT text FROM shop.notes"))
        counted = int(node.ask("SELECT SUM(count) FROM shop.counters"))
        lost = load.notes - stored
        wrong.extend(f"node {number} has no {each}" for each in sorted(lost))
        if not load.counted <= counted <= load.counted + load.unsure:
            wrong.append(f"node {number} has counted {counted} of {load.counted}")
        print(f"  node {number}: {len(load.notes)} rows acknowledged, {len(lost)} lost; "
              f"{load.counted} counted, {counted} stored")  # fmt: skip
    return wrong


def main() -> None:
    """Start a cluster, and lose a node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    logging.disable(logging.WARNING)
    cluster = Galera()
    with cluster.running():
        wrong = asyncio.run(run(cluster, seconds))
    if wrong:
        raise SystemExit("\n".join(wrong[:20]))


if __name__ == "__main__":
    main()
