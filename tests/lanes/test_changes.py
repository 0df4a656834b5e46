"""Tables, event loops, processes and overrides that change under a served application."""

from __future__ import annotations

import asyncio
import sys
import threading

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from ormolu.web import request_session
from tests.integration.subprocesses import running
from tests.lanes.things import Served, app_of, database_of, execute, served, statuses

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


async def use(shop: Served, name: str) -> list[int]:
    """Write and read a row; return the statuses."""
    created = await shop.create(name)
    key = created.json()["id"]
    answers = [created, await shop.read(key), await shop.client.get("/things")]
    return statuses([*answers, await shop.change(key, number=1)])


WELL = [201, 200, 200, 200]


@pytest.mark.long
async def test_new_column(database_url: str) -> None:
    """A column that is added meanwhile changes no answer."""
    async with served(database_url) as shop:
        assert await use(shop, "a") == WELL
        await execute(database_url, "ALTER TABLE things ADD COLUMN colour VARCHAR DEFAULT 'red'")
        assert await use(shop, "b") == WELL
        assert shop.passed_on == []


@pytest.mark.long
async def test_table_made_anew(database_url: str) -> None:
    """Statements prepared for a table that is gone are prepared for the new one, of other types."""
    key = "serial" if "postgresql" in database_url else "INTEGER"
    async with served(database_url) as shop:
        assert await use(shop, "a") == WELL
        await execute(
            database_url, "DROP TABLE parts", "DROP TABLE things",
            f"CREATE TABLE things (name TEXT UNIQUE, number BIGINT, id {key} PRIMARY KEY)",
        )  # fmt: skip
        assert await use(shop, "b") == WELL
        shop.passed_on.clear()
        assert await use(shop, "c") == WELL
        assert shop.passed_on == []


@pytest.mark.long
async def test_table_that_is_gone(database_url: str) -> None:
    """What cannot be done is answered by the session, and works again with the table."""
    async with served(database_url) as shop:
        assert await use(shop, "a") == WELL
        await execute(database_url, "ALTER TABLE things RENAME TO others")
        calls = [
            shop.create("b"),
            shop.read(1),
            shop.client.get("/things"),
            shop.change(1, number=1),
        ]
        assert statuses(await asyncio.gather(*calls)) == [500] * 4
        await execute(database_url, "ALTER TABLE others RENAME TO things")
        shop.passed_on.clear()
        assert await use(shop, "c") == WELL
        assert shop.passed_on == []


@pytest.mark.long
def test_two_loops_one_after_the_other(database_url: str) -> None:
    """One application is served by one event loop after the other, closed in between or not."""
    db = database_of(database_url)
    app = app_of(db)

    async def main(name: str) -> None:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            for number in range(3):
                answer = await client.post("/things", json={"name": f"{name} {number}"})
                assert (await client.get(answer.headers["location"])).json() == answer.json()
        if name == "first":
            await db.close()

    for name in ("first", "second", "third"):
        asyncio.run(main(name))


@pytest.mark.long
def test_two_loops_at_once(database_url: str) -> None:
    """Two threads serve one application, each on connections of its own."""
    app = app_of(database_of(database_url, pool_timeout=20.0))
    failures: list[BaseException] = []
    barrier = threading.Barrier(2)

    def work(name: str) -> None:
        try:
            with TestClient(app) as client:
                for number in range(25):
                    barrier.wait(20)
                    answer = client.post("/things", json={"name": f"{name} {number}"})
                    assert answer.json()["name"] == f"{name} {number}"
                    assert client.get(answer.headers["location"]).json() == answer.json()
                    assert client.get("/things").status_code == 200
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("program", "last", "rows"), [("fork", [0, 0], 20 * 5), ("fork_on_a_loop", [0], 20 * 3)]
)
def test_forks(database_url: str, program: str, last: list[int], rows: int) -> None:
    """Parent and children serve at once, on loops of their own or on one: each gives its rows."""
    command = [sys.executable, "-m", f"tests.lanes.programs.{program}"]
    with running(command, DATABASE_URL=database_url) as process:
        output, _ = process.communicate(timeout=60)
    assert output.splitlines()[-1] == f"statuses {last}"
    stored = asyncio.run(execute(database_url, "SELECT count(*) FROM things"))
    assert stored == [(rows,)]


@pytest.mark.long
async def test_overrides(database_url: str) -> None:
    """A session that a test puts in place of ours is used, from the next request on."""
    async with served(database_url) as shop:
        await shop.fill(1)
        used: list[str] = []

        async def session() -> object:
            used.append("override")
            async with shop.db.unit_of_work() as mine:
                yield mine

        shop.app.dependency_overrides[request_session] = session
        assert await use(shop, "a") == WELL
        assert used == ["override"] * 4
        shop.app.dependency_overrides.clear()
        shop.passed_on.clear()
        assert await use(shop, "b") == WELL
        assert shop.passed_on == []


async def test_routes_that_come_later(database_url: str) -> None:
    """A route that is put before ours while we serve answers; so do other methods."""
    async with served(database_url) as shop:
        await shop.fill(2)

        @shop.app.get("/things/1")
        async def mine() -> str:
            return "mine"

        shop.app.router.routes.insert(0, shop.app.router.routes.pop())
        assert (await shop.read(1)).json() == "mine"
        assert (await shop.read(2)).json()["id"] == 2
        assert (await shop.client.head("/things/2")).status_code == 200
        assert (await shop.client.put("/things", json={})).status_code == 405


@pytest.mark.long
async def test_middleware_and_dependencies(database_url: str) -> None:
    """Middleware within ours, and dependencies of all routes, see each request."""
    seen: list[str] = []

    def adapt(app: FastAPI) -> None:
        @app.middleware("http")
        async def look(request: object, call_next: object) -> object:
            seen.append("middleware")
            return await call_next(request)  # type: ignore[operator]

        # The first of the list is the outermost.
        app.user_middleware.append(app.user_middleware.pop(0))

    async with served(database_url, adapt) as shop:
        assert await use(shop, "a") == WELL
        assert seen == ["middleware"] * 4
