"""Each answer is about the row that its request was about, whatever went with it in a batch."""

from __future__ import annotations

import asyncio
import random

import httpx2
import pytest

from tests.lanes.things import Served, execute, served, statuses

pytestmark = pytest.mark.backends("sqlite", "asyncpg")

ROWS = 40


async def ask(shop: Served, chances: random.Random, number: int) -> None:
    """Do one thing of those that can be done, and check that the answer is about it."""
    key, what = chances.randrange(1, ROWS * 5 // 4), chances.randrange(4)
    if what == 0:
        answer = await shop.create(f"new {number}", number)
        assert answer.json()["name"] == f"new {number}"
        path = answer.headers["location"]
        assert path == f"/things/{answer.json()['id']}"
        assert (await shop.client.get(path)).json() == answer.json()
        return
    missing = key > ROWS
    key += missing * 10_000
    answer = await (shop.change(key, number=number) if what == 1 else shop.read(key))
    assert answer.status_code == (404 if missing else 200)
    assert missing or answer.json()["id"] == key
    assert missing or what != 1 or answer.json()["number"] == number


@pytest.mark.long
async def test_many_at_once(database_url: str) -> None:
    """Creates, changes and reads of rows that are there and that are not keep to their rows."""
    chances = random.Random(11)
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(ROWS)
        await asyncio.gather(*(ask(shop, chances, number) for number in range(300)))
    stored = await execute(database_url, "SELECT name, number FROM things WHERE name LIKE 'new %'")
    assert len(stored) > 30
    assert all(name == f"new {number}" for name, number in stored)


@pytest.mark.long
async def test_changes_of_one_row_in_one_batch(database_url: str) -> None:
    """Each of many changes of a row is answered with its own value, and one of them is stored."""
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(2)
        answers = await asyncio.gather(*(shop.change(1, number=number) for number in range(30)))
        assert [answer.json()["number"] for answer in answers] == list(range(30))
        assert (await shop.read(1)).json()["number"] in range(30)
        assert shop.passed_on == []


@pytest.mark.long
async def test_changes_beside_missing_rows(database_url: str) -> None:
    """A change of a row that is not there is 404, those beside it in the batch are stored."""
    keys = [7, 1, 99, 3, 50, 2, 98]
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(7)
        answers = await asyncio.gather(*(shop.change(key, number=key) for key in keys))
        assert statuses(answers) == [200 if key <= 7 else 404 for key in keys]
        assert [each.json()["number"] for each in answers if each.is_success] == [7, 1, 3, 2]
        assert len(shop.passed_on) == 3


async def test_same_key_many_times_in_one_read(database_url: str) -> None:
    """Many reads of few rows in one batch each get theirs."""
    keys = [3, 1, 3, 2, 1, 3]
    async with served(database_url) as shop:
        await shop.fill(3)
        answers = await asyncio.gather(*(shop.read(key) for key in keys))
        assert [answer.json()["id"] for answer in answers] == keys
        assert shop.passed_on == []


@pytest.mark.long
async def test_deletes_in_one_batch(database_url: str) -> None:
    """Of two who delete a row one is told that it was not there."""
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(4)
        paths = [f"/things/{key}" for key in (4, 2, 4, 9)]
        answers = await asyncio.gather(*(shop.client.delete(path) for path in paths))
        assert sorted(statuses(answers)) == [204, 204, 404, 404]
        assert await execute(database_url, "SELECT id FROM things ORDER BY id") == [(1,), (3,)]


@pytest.mark.long
async def test_statements_of_different_text_in_one_batch(database_url: str) -> None:
    """Changes of other columns, deletes and creates that wait together each do their own."""
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(4)
        calls = [
            shop.change(1, number=5), shop.change(2, name="two"), shop.create("five"),
            shop.client.delete("/things/3"), shop.change(4, name="four", number=4),
            shop.client.post("/things", json={"name": "six"}),
        ]  # fmt: skip
        answers: list[httpx2.Response] = await asyncio.gather(*calls)
        assert statuses(answers) == [200, 200, 201, 204, 200, 201]
        rows = await execute(database_url, "SELECT name, number FROM things ORDER BY number, name")
        assert rows == [("five", 0), ("six", 0), ("two", 0), ("four", 4), ("thing 1", 5)]


@pytest.mark.long
async def test_statements_of_the_same_values_in_one_batch(database_url: str) -> None:
    """Reads, changes and deletes of two tables by the same keys each do their own."""
    async with served(database_url, pool_timeout=20.0) as shop:
        await shop.fill(4)
        client = shop.client
        for key in (1, 2):
            assert (await client.post("/parts", json={"thing_id": 1})).json()["id"] == key
        paths = ["/things/2", "/parts/1", "/things/1", "/parts/2"]
        reads = await asyncio.gather(*(client.get(path) for path in paths))
        assert [each.json() for each in reads[1::2]] == [{"id": n, "thing_id": 1} for n in (1, 2)]
        assert [each.json()["name"] for each in reads[::2]] == ["thing 2", "thing 1"]
        part = client.patch("/parts/1", json={"thing_id": 3})
        changes = await asyncio.gather(shop.change(2, number=3), part)
        assert changes[0].json() == {"id": 2, "name": "thing 2", "number": 3}
        assert changes[1].json() == {"id": 1, "thing_id": 3}
        await asyncio.gather(client.delete("/things/4"), client.delete("/parts/2"))
        things = await execute(database_url, "SELECT id FROM things ORDER BY id")
        assert things == [(1,), (2,), (3,)]
        assert await execute(database_url, "SELECT id, thing_id FROM parts") == [(1, 3)]
