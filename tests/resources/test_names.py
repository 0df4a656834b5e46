"""Columns and relations that are called like words of the grammar are filtered like all others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.fixtures.kept import KeptApp, keep_running
from tests.resources import quotas as models
from tests.resources.quotas import app_of, database_of, fill, served

# What a request says is read before any backend is asked; SQL is where the others differ.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


@pytest.fixture(scope="module")
async def quotas(module_url: str) -> AsyncIterator[KeptApp]:
    db = database_of(module_url)
    async with keep_running(app_of(db), db) as found:
        yield found


@pytest.fixture
async def client(quotas: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the quotas."""
    async with quotas.client() as client:
        await fill(quotas.db)
        yield client


async def ids(client: httpx2.AsyncClient, url: str) -> list[int]:
    """Return the keys of a list, asked for until the front door has a plan for it."""
    answers = [await client.get(url) for _ in range(3)]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert answers[0].status_code == 200, answers[0].text
    return [item["id"] for item in answers[0].json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit__eq=2", [2]), ("limit__ge=2", [2, 3]), ("limit__in=1&limit__in=3", [1, 3]),
        ("limit=2&limit__gt=1", [2, 3]), ("offset__eq=2", [2]), ("count__ne=2", [1, 3]),
        ("cursor__isnull=true", []), ("cursor__eq=3", [3]), ("where__eq=w2", [2]),
        ("where__like=w%25&limit=1", [1]), ("q__eq=w3", [3]), ("fields__startswith=w1", [1]),
        ("fields__eq=w1&fields=id,limit,fields", [1]), ("sort_id__lt=3", [1, 2]),
        ("not_=2", [2]), ("not___eq=2", [2]), ("not___in=2", [2]),
        ("name__eq=w2", [2]), ("name__in=w2", [2]), ("name__in__in=w2&name__in__in=w3", [2, 3]),
        ("name__not_in=w2", [1, 3]), ("limit_=2", [2]), ("limit___ge=2", [2, 3]),
        ("last__count=2", [2]), ("last__count__le=2", [1, 2]), ("last__count__lte=1", [1]),
        ("is__null=true", [1]), ("is__null__eq=false", [2, 3]), ("is__null__isnull=true", []),
        ("sort.limit=2", [2]), ("sort.limit__eq=2", [2]), ("sort.any__ge=2", [2, 3]),
        ("sort=-limit", [3, 2, 1]), ("sort=-sort.limit,count", [3, 2, 1]),
        ("sort=-offset&include=sort", [3, 2, 1]),
    ],
)  # fmt: skip
async def test_parameters_are_read_by_name(
    client: httpx2.AsyncClient, query: str, expected: list[int]
) -> None:
    """`limit` is the parameter, `limit__eq` the column; a column's whole name comes first."""
    assert await ids(client, f"/quotas?{query}") == expected


_TREES: list[tuple[dict[str, Any], list[int]]] = [
    ({"limit": 2}, [2]),
    ({"limit__eq": 2}, [2]),
    ({"offset": 2, "count": 2, "cursor": 2, "where": "w2", "q": "w2", "fields": "w2"}, [2]),
    ({"not": {"limit": 2}}, [1, 3]),
    ({"or": [{"limit": 1}, {"count": 3}]}, [1, 3]),
    ({"sort": {"limit": 2}}, [2]),
    ({"sort": {"any": {"limit": 2}}}, [2]),
    ({"sort": {"any": 2}}, [2]),
    ({"sort": {"any__eq": 2}}, [2]),
    ({"sort": {"any": {"any": 2}}}, [2]),
    ({"sort": {"none": {"any": 2}}}, [1, 3]),
    ({"sort.limit": 2}, [2]),
    ({"name__in": "w2"}, [2]),
]


@pytest.mark.parametrize(("tree", "expected"), _TREES)
async def test_trees_are_read_by_name(
    client: httpx2.AsyncClient, tree: dict[str, Any], expected: list[int]
) -> None:
    """In a `where` no name is taken: in a query string, in a body of either method."""
    assert await ids(client, f"/quotas?where={json.dumps(tree)}") == expected
    for method, path in (("POST", "/quotas:query"), ("QUERY", "/quotas")):
        answer = await client.request(method, path, json={"where": tree})
        assert [item["id"] for item in answer.json()["items"]] == expected, answer.text


async def test_parameters_come_first_in_bodies(client: httpx2.AsyncClient) -> None:
    """A body's own members are the parameters; the column's filters stand beside them."""
    body = {"limit": 1, "limit__ge": 2, "where": {"limit": 3}, "fields": ["id"]}
    answer = await client.post("/quotas:query", json=body)
    assert answer.json()["items"] == [{"id": 3}]
    refused = await client.post("/quotas:query", json={"count": 3})
    assert refused.json()["errors"][0]["loc"] == ["body", "count"]


@pytest.mark.long
async def test_columns_called_like_junctions(client: httpx2.AsyncClient) -> None:
    """What follows tells `and`, `or`, `not` of the tree from columns with these names."""
    for number in (1, 2):
        made = await client.post("/gates", json={"and": number, "or": number, "not": number})
        assert made.status_code == 201
    for tree, expected in (
        ({"or": 2}, [2]), ({"and": 1}, [1]), ({"not": 2}, [2]), ({"or__eq": 1}, [1]),
        ({"or": [{"or": 1}, {"not": 2}]}, [1, 2]), ({"not": {"not": 1}}, [2]),
        ({"and": [{"or": 1}, {"not__ge": 1}]}, [1]), ({"or__in": [1, 2]}, [1, 2]),
    ):  # fmt: skip
        assert await ids(client, f"/gates?where={json.dumps(tree)}") == expected
    assert await ids(client, "/gates?or=2&not__eq=2") == [2]


async def test_relations_called_like_parameters(client: httpx2.AsyncClient) -> None:
    """A relation called `sort` is included, filtered, and shown."""
    answer = await client.get("/quotas?include=sort&fields=id,sort.limit&sort.limit=3")
    assert answer.json()["items"] == [{"id": 3, "sort": {"limit": 3}}]
    assert await ids(client, "/plans?quotas.limit__ge=2&limit=1") == [2]


async def test_a_unique_key_may_be_called_like_a_parameter(client: httpx2.AsyncClient) -> None:
    """`on_conflict=where` names the column."""
    sent = {name: value for name, value in models.row(2).items() if name != "id"}
    answer = await client.post("/quotas?on_conflict=where", json={**sent, "limit": 9})
    assert (answer.status_code, answer.json()["id"], answer.json()["limit"]) == (200, 2, 9)


async def test_wrong_names_still_find_what_was_meant(client: httpx2.AsyncClient) -> None:
    """A slip in a parameter's name is told from one in a column's."""
    for query, meant in (("limt=5", "limit"), ("nmae=x", "name"), ("limit__eqq=1", "eq")):
        answer = await client.get(f"/quotas?{query}")
        assert answer.status_code == 422
        assert f"did you mean {meant!r}?" in answer.json()["detail"]
    twice = await client.get("/quotas?limit__eq=1&limit__eq=2")
    assert "limit__eq__in" not in twice.json()["detail"]


async def test_python_names_the_same(database_url: str) -> None:
    """The arguments are the parameters, and `where` has the columns."""
    db = database_of(database_url)
    async with served(db), db.unit_of_work() as session:
        page = await models.quotas.list(session, where={"limit__ge": 2}, limit=1, sort="-limit")
        assert [item["id"] for item in page.items] == [3]
