"""How many statements each operation sends."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.fixtures.backends import Backend

pytestmark = pytest.mark.anyio


async def _made(client: httpx2.AsyncClient, name: str = "Ann") -> str:
    answer = await client.post("/people", json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


@pytest.mark.long
async def test_create_is_one_insert(
    people_client: httpx2.AsyncClient, statements: list[str], backend: Backend
) -> None:
    """A create is one INSERT with RETURNING, whose answer has the server's values."""
    statements.clear()
    await _made(people_client)
    assert len(statements) == 1
    assert "RETURNING" in statements[0]


async def test_read_is_one_select(people_client: httpx2.AsyncClient, statements: list[str]) -> None:
    """A read is one SELECT."""
    path = await _made(people_client)
    statements.clear()
    assert (await people_client.get(path)).status_code == 200
    assert len(statements) == 1


async def test_list_is_one_select(people_client: httpx2.AsyncClient, statements: list[str]) -> None:
    """A list is one SELECT, and no COUNT unless it is asked for."""
    await _made(people_client)
    statements.clear()
    assert (await people_client.get("/people?sort=-team.name&age__isnull=true")).status_code == 200
    assert len(statements) == 1
    assert "count(" not in statements[0].lower()


@pytest.mark.long
async def test_includes_are_one_statement_a_relation(
    people_client: httpx2.AsyncClient, statements: list[str]
) -> None:
    """To-one relations come with the row; each to-many relation is one statement for all rows."""
    for number in range(5):
        await _made(people_client, f"p{number}")
    for number in range(1, 6):
        await people_client.post("/pets", json={"name": "Rex", "owner_id": number})
    statements.clear()
    answer = await people_client.get("/people?include=team,pets")
    assert [len(item["pets"]) for item in answer.json()["items"]] == [1] * 5
    assert len(statements) == 2
    statements.clear()
    assert (await people_client.get("/pets?include=owner.team")).status_code == 200
    assert len(statements) == 1


async def test_patch_is_one_update(
    people_client: httpx2.AsyncClient, statements: list[str], backend: Backend
) -> None:
    """A change is one UPDATE with RETURNING, and a SELECT where the backend has none."""
    path = await _made(people_client)
    statements.clear()
    assert (await people_client.patch(path, json={"age": 3})).json()["age"] == 3
    assert len(statements) == (2 if backend.is_mariadb else 1)
    assert statements[0].startswith("UPDATE")


@pytest.mark.long
async def test_delete_is_one_delete(shop_client: httpx2.AsyncClient, statements: list[str]) -> None:
    """A delete is one DELETE, where no relation has to be looked at first."""
    product = {"sku": "x", "title": "X", "price": "1"}
    assert (await shop_client.post("/products", json=product)).status_code == 201
    statements.clear()
    assert (await shop_client.delete("/products/x")).status_code == 204
    assert len(statements) == 1


async def test_creates_of_a_batch_are_one_insert(
    people_client: httpx2.AsyncClient, statements: list[str]
) -> None:
    """Fifty creates are not fifty round trips."""
    steps: list[Any] = [{"op": "create", "data": {"name": f"p{n}"}} for n in range(50)]
    statements.clear()
    answer = await people_client.post("/people:batch", json={"operations": steps})
    assert [each["body"]["name"] for each in answer.json()["results"]] == [
        f"p{n}" for n in range(50)
    ]
    assert len(statements) == 1
