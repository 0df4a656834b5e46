"""A database that goes silent, stops, restarts, loses connections or room, while it is at work.

`python -m tests.reliability.outages --backend asyncpg`: eight clients go on asking for the whole
time. No request may last longer than its deadline, but for a moment; none that begins after the
recovery may fail; what was acknowledged is stored; and the pools are whole afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import httpx2
import psycopg
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import MetaData, String, make_url, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, resource
from tests.backends import MariaDB, PostgreSQL, stopped
from tests.fixtures.apps import client_of
from tests.reliability._disk import Disk
from tests.reliability._proxy import Proxy

# Seconds that a request may take, that an outage lasts, and that go by before and after it.
DEADLINE, OUTAGE, CALM = 3.0, 4.0, 1.5
# Seconds past the deadline: a COMMIT is waited for, a lane says that it does not know.
MOMENT = 1.3
# Seconds in which those learn that their connection is gone who have it.
RECOVERY = 0.1
CLIENTS = 8

_SYNCED: LiteralString = "ALTER DATABASE outages SET synchronous_commit = on"
_FLUSHED = "SET GLOBAL innodb_flush_log_at_trx_commit = 1"

_SCHEMES = {"asyncpg": "asyncpg", "psycopg": "psycopg", "mariadb": "asyncmy"}
_OUTAGES = ("hole", "stop", "reset", "restart", "full")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


@dataclass
class Round:
    """What came of one kind of work in one outage."""

    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    longest: float = 0.0
    late: list[str] = field(default_factory=list)
    recovered_at: float = float("inf")


Ask = Callable[[httpx2.AsyncClient, str], Awaitable[httpx2.Response]]

KINDS: dict[str, Ask] = {
    "lane-read": lambda client, _: client.get("/items?limit=2"),
    "lane-write": lambda client, name: client.post("/items", json={"name": name}),
    "hand-read": lambda client, _: client.get("/hand"),
    "hand-write": lambda client, name: client.post(f"/hand?name={name}"),
    "batch": lambda client, name: client.post(
        "/items:batch", json={"operations": [{"op": "create", "data": {"name": name}}]}
    ),
}


def make_app(url: str) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=Base.metadata, deadline=DEADLINE).attach(app)
    app.include_router(resource(Item))

    @app.get("/hand")
    async def read(session: SessionDep) -> list[str]:
        return list(await session.scalars(select(Item.name).limit(2)))

    @app.post("/hand", status_code=201)
    async def write(name: str, session: SessionDep) -> None:
        session.add(Item(name=name))
        await session.flush()
        await session.scalar(select(Item.id).limit(1))

    return app


async def ask_on(client: httpx2.AsyncClient, ask: Ask, prefix: str, found: Round) -> None:
    """Ask one time after the other, until a while after the recovery."""
    number = 0
    while time.monotonic() < found.recovered_at + CALM:
        number += 1
        name, began_at = f"{prefix}-{number}", time.monotonic()
        answer = await ask(client, name)
        found.longest = max(found.longest, time.monotonic() - began_at)
        found.answers[answer.status_code] += 1
        if answer.is_success and answer.request.method == "POST":
            found.acknowledged.add(name)
        elif not answer.is_success and began_at > found.recovered_at:
            found.late.append(answer.text[:200])
        await asyncio.sleep(0.005)


async def cause(outage: str, server: Any, proxy: Proxy | None, disk: Disk) -> None:
    """Let an outage come, and end."""
    if outage == "full":
        with disk.full():
            await asyncio.sleep(OUTAGE / 2)
            if isinstance(server, PostgreSQL):
                await asyncio.to_thread(end_for_want_of_a_log, server)
            await asyncio.sleep(OUTAGE / 2)
        if server is not None and not server.is_running:
            await asyncio.to_thread(server.start)
        return
    assert proxy is not None
    if outage == "reset":
        proxy.reset()
    elif outage == "restart":
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        if isinstance(server, MariaDB):
            server.execute(_FLUSHED)
    elif outage == "hole":
        proxy.passes.clear()
        await asyncio.sleep(OUTAGE)
        proxy.passes.set()
    else:
        with stopped(*family_of(server._process.pid)):
            await asyncio.sleep(OUTAGE)


def end_for_want_of_a_log(server: PostgreSQL) -> None:
    """Let PostgreSQL begin files of its log until it has no room for one, which ends it."""
    with contextlib.suppress(psycopg.Error):
        for _ in range(100):
            server.execute(sql.SQL("SELECT pg_switch_wal(), pg_logical_emit_message(false, '', '')"
                                   ).format())  # fmt: skip


def family_of(process: int) -> list[int]:
    """Return a process and those that it has made."""
    made = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in made for each in family_of(int(child)))]


async def try_round(kind: str, outage: str, server: Any, url: str, disk: Disk) -> list[str]:
    """Let one outage come during one kind of work; return what was wrong."""
    parsed, found = make_url(url), Round()
    proxy, through = None, url
    if parsed.port is not None:
        proxy = Proxy(parsed.port)
        through = parsed.set(port=await proxy.start()).render_as_string(hide_password=False)
    async with client_of(make_app(through)) as client:
        client.timeout = httpx2.Timeout(60)
        prefix = f"{kind}-{outage}"
        asking = [
            asyncio.create_task(ask_on(client, KINDS[kind], f"{prefix}-{number}", found))
            for number in range(CLIENTS)
        ]
        await asyncio.sleep(CALM)
        await cause(outage, server, proxy, disk)
        found.recovered_at = time.monotonic() + RECOVERY
        await asyncio.wait_for(asyncio.gather(*asking), 60)
        whole = await asyncio.gather(*[KINDS[kind](client, f"{prefix}-whole-{number}")
                                       for number in range(20)])  # fmt: skip
    if proxy is not None:
        proxy.close()
    async with Database(url, schema="ignore").unit_of_work(read_only=True) as session:
        stored = set(await session.scalars(select(Item.name)))
    lost = found.acknowledged - stored
    print(f"{outage:8} {kind:11} {dict(found.answers)}, longest {found.longest:.2f} s", flush=True)
    wrong = []
    if found.longest > DEADLINE + MOMENT:
        wrong.append(f"a request took {found.longest:.2f} s")
    if found.late:
        wrong.append(f"{len(found.late)} failed after the recovery: {found.late[0]}")
    if lost:
        wrong.append(f"{len(lost)} acknowledged rows are lost")
    if not all(answer.is_success for answer in whole):
        wrong.append(f"the pool is not whole: {Counter(each.status_code for each in whole)}")
    return [f"{outage}, {kind}: {each}" for each in wrong]


async def main(backend: str, outages: list[str], kinds: list[str]) -> int:
    disk, server = Disk(), None
    wrong: list[str] = []
    try:
        if "full" in outages:
            disk.mount()
        url = f"sqlite:///{disk.folder}/outages.db"
        if backend != "sqlite":
            server = disk.server(backend)
            server.start()
            server.create_database("outages")
            url = server.url("outages", _SCHEMES[backend])
            # The servers of the tests do not wait for their disk at COMMIT; a kill would show it.
            server.execute(sql.SQL(_SYNCED).format() if backend != "mariadb" else _FLUSHED)
        for outage in outages:
            for kind in kinds:
                wrong += await try_round(kind, outage, server, url, disk)
    finally:
        if server is not None:
            server.remove()
        disk.remove()
    print("\n".join(wrong) or f"{backend}: all is well.")
    return bool(wrong)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=["sqlite", *_SCHEMES], required=True)
    parser.add_argument("--outage", action="append", choices=_OUTAGES)
    parser.add_argument("--kind", action="append", choices=[*KINDS])
    given = parser.parse_args()
    # A file has no host that goes silent.
    outages = given.outage or (["full"] if given.backend == "sqlite" else [*_OUTAGES])
    sys.exit(asyncio.run(main(given.backend, outages, given.kind or [*KINDS])))
