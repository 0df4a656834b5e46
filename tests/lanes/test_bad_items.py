"""A write that cannot be stored fails alone: those of its batch are stored."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from ormolu.sqlite._writers import writers_of
from tests.lanes.things import Served, execute, served, statuses

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


async def names_in(url: str) -> list[str]:
    return [name for (name,) in await execute(url, "SELECT name FROM things ORDER BY name")]


async def create_all(shop: Served, *names: str) -> list[int]:
    answers = await asyncio.gather(*(shop.create(name, len(name)) for name in names))
    return statuses(answers)


@pytest.mark.long
async def test_constraints(database_url: str) -> None:
    """A unique key twice, and a CHECK, are answered with their errors; the others are stored."""
    async with served(database_url) as shop:
        calls = [shop.create("a"), shop.create("b"), shop.create("a"), shop.create("c", -1)]
        answers: list[httpx2.Response] = await asyncio.gather(*calls, shop.create("d"))
        assert statuses(answers) == [201, 201, 409, 422, 201]
        assert answers[2].json()["code"] == "unique_violation"
        assert answers[3].json()["code"] == "check_violation"
        assert shop.passed_on == ["POST /things"] * 2
    assert await names_in(database_url) == ["a", "b", "d"]


@pytest.mark.long
async def test_value_that_overflows(database_url: str) -> None:
    """A number that the column does not hold is refused; keys of any size are not found."""
    async with served(database_url) as shop:
        await shop.fill(1)
        calls = [shop.change(1, number=2), shop.change(1, number=2**70), shop.create("b", 2**40)]
        answers = await asyncio.gather(*calls, shop.create("c"), shop.read(1))
        assert statuses(answers)[:2] == [200, 422]
        assert statuses(answers)[3:] == [201, 200]
        keys = [1, 2**31, 2**63, 2**70, 0]
        reads = await asyncio.gather(*(shop.client.get(f"/things/{key}") for key in keys))
        assert statuses(reads)[0] == 200
        assert set(statuses(reads)[1:]) <= {404, 422}


async def test_text_that_cannot_be_stored(database_url: str) -> None:
    """A lone surrogate, or a NUL on PostgreSQL, does not keep the others from being stored."""
    async with served(database_url) as shop:
        bad = ['{"name": "\\ud800"}', '{"name": "\\u0000"}']
        headers = {"content-type": "application/json"}
        sent = [shop.client.post("/things", content=each, headers=headers) for each in bad]
        answers = await asyncio.gather(shop.create("a"), *sent, shop.create("b"))
        assert statuses(answers)[0] == statuses(answers)[3] == 201
        assert answers[1].status_code == 422
    assert {"a", "b"} <= set(await names_in(database_url))


@pytest.mark.long
async def test_deferred_constraint(database_url: str) -> None:
    """One that fails at COMMIT is answered with its ordinary error, the others are stored."""
    async with served(database_url) as shop:
        await shop.fill(2)
        keys = [1, 99, 2, 1]
        answers = await asyncio.gather(
            *(shop.client.post("/parts", json={"thing_id": key}) for key in keys)
        )
        assert statuses(answers) == [201, 409, 201, 201]
        assert answers[1].json()["code"] == "foreign_key_violation"
    rows = await execute(database_url, "SELECT thing_id FROM parts ORDER BY id")
    assert sorted(rows) == [(1,), (1,), (2,)]


@pytest.mark.backends("sqlite")
async def test_bad_item_costs_the_others_nothing(database_url: str, path: str) -> None:
    """Beside it they are stored in one transaction all the same; it has one of its own after."""
    async with served(database_url) as shop:
        before = writers_of(path).count
        assert await create_all(shop, "a", "b", "a", "c", "d") == [201, 201, 409, 201, 201]
        assert writers_of(path).count == before + 2


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("how", ["ROLLBACK", "ABORT", "FAIL"])
async def test_sqlite_trigger(database_url: str, how: str) -> None:
    """A trigger that refuses a row, also one that ends the transaction, refuses that row only."""
    trigger = (
        "CREATE TRIGGER refuse AFTER INSERT ON things WHEN new.name LIKE 'bad%' "
        f"BEGIN SELECT RAISE({how}, 'no'); END"
    )
    async with served(database_url) as shop:
        await execute(database_url, trigger)
        assert await create_all(shop, "a", "bad 1", "b", "bad 2", "c") == [201, 422, 201, 422, 201]
        assert await create_all(shop, "bad 3") == [422]
    assert await names_in(database_url) == ["a", "b", "c"]


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_sqlite_trigger_that_ignores(database_url: str) -> None:
    """An INSERT that a trigger leaves out has done nothing before a session sends it again."""
    trigger = (
        "CREATE TRIGGER ignore BEFORE INSERT ON things WHEN new.name LIKE 'bad%' "
        "BEGIN INSERT INTO parts (thing_id) VALUES (NULL); SELECT RAISE(IGNORE); END"
    )
    async with served(database_url) as shop:
        await execute(
            database_url, "DROP TABLE parts",
            "CREATE TABLE parts (id INTEGER PRIMARY KEY, thing_id INTEGER)", trigger,
        )  # fmt: skip
        answers = await create_all(shop, "a", "bad", "b")
        assert (answers[0], answers[2]) == (201, 201)
        assert answers[1] >= 400
    assert await names_in(database_url) == ["a", "b"]
    assert await execute(database_url, "SELECT count(*) FROM parts") == [(0,)]


_FUNCTION = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {} RETURN new; END $$
"""
_TRIGGER = "CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()"


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize(("code", "status"), [("P0001", 422), ("ZZ999", 500), ("42501", 500)])
async def test_postgresql_trigger(database_url: str, code: str, status: int) -> None:
    """A trigger's error, of whatever code, is that of its row only."""
    body = f"IF new.name LIKE 'bad%' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF;"
    async with served(database_url) as shop:
        await execute(database_url, _FUNCTION.format(body), _TRIGGER)
        assert await create_all(shop, "a", "bad 1", "b") == [201, status, 201]
        assert await create_all(shop, "bad 2") == [status]
    assert await names_in(database_url) == ["a", "b"]


@pytest.mark.backends("asyncpg")
async def test_postgresql_trigger_that_ignores(database_url: str) -> None:
    """Rows that a trigger left out cannot be told: unknown once, then sessions write them."""
    body = "IF new.name LIKE 'bad%' THEN RETURN NULL; END IF;"
    async with served(database_url) as shop:
        await execute(database_url, _FUNCTION.format(body), _TRIGGER)
        assert await create_all(shop, "a", "b") == [201, 201]
        assert await create_all(shop, "c", "bad", "d") == [503, 503, 503]
        shop.passed_on.clear()
        answers = await create_all(shop, "e", "bad", "f")
        assert (answers[0], answers[2]) == (201, 201)
        assert answers[1] >= 400
        assert shop.passed_on == ["POST /things"] * 3
    assert await names_in(database_url) == ["a", "b", "c", "d", "e", "f"]
