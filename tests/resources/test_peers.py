"""What peers get wrong, each as a test: research of FastCRUD, Advanced Alchemy, sqlakeyset, ..."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def _fill(client: httpx2.AsyncClient, *rows: dict[str, Any]) -> None:
    steps = [{"op": "create", "data": row} for row in rows]
    answer = await client.post("/people:batch", json={"operations": steps})
    assert answer.status_code == 200, answer.text


async def _walk(client: httpx2.AsyncClient, query: str) -> list[int]:
    found: list[int] = []
    cursor = ""
    while True:
        page = (await client.get(f"/people?{query}{cursor}")).json()
        found += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.long
async def test_pages_lose_no_ties_and_no_nulls(people_client: httpx2.AsyncClient) -> None:
    """FastCRUD's cursor gives 1, 2, 4, 5 of six equal rows, and drops all NULLs."""
    await _fill(people_client, *[{"name": "a", "age": age} for age in (1, 1, 1, 1, None, None)])
    assert await _walk(people_client, "sort=age&limit=2") == [1, 2, 3, 4, 5, 6]
    assert await _walk(people_client, "sort=-age&limit=2") == [5, 6, 1, 2, 3, 4]


@pytest.mark.long
async def test_to_many_include_keeps_the_limit(people_client: httpx2.AsyncClient) -> None:
    """FastCRUD gives one parent with three of its four children for limit=3."""
    await _fill(people_client, *[{"name": f"p{n}"} for n in range(4)])
    for number in range(8):
        await people_client.post("/pets", json={"name": "x", "owner_id": number // 4 + 1})
    page = (await people_client.get("/people?include=pets&limit=3&count=exact")).json()
    assert [len(row["pets"]) for row in page["items"]] == [4, 4, 0]
    assert page["total"] == 4


async def test_total_past_the_end_is_right(people_client: httpx2.AsyncClient) -> None:
    """Advanced Alchemy gives total 0 for a page past the end."""
    await _fill(people_client, {"name": "a"}, {"name": "b"})
    page = (await people_client.get("/people?offset=10&count=exact")).json()
    assert (page["items"], page["total"], page["total_kind"]) == ([], 2, "exact")


async def test_count_can_be_capped_and_estimated(people_client: httpx2.AsyncClient) -> None:
    """Each mode says what its total is worth."""
    await _fill(people_client, {"name": "a"}, {"name": "b"})
    capped = (await people_client.get("/people?count=capped&name=a")).json()
    assert (capped["total"], capped["total_kind"]) == (1, "exact")
    estimated = (await people_client.get("/people?count=estimated")).json()
    assert estimated["total_kind"] in {"exact", "estimate"}
    assert estimated["total"] >= 0


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "100000000", "x", "1.5", "", "9" * 30])
async def test_limits_are_refused_not_clamped(
    people_client: httpx2.AsyncClient, limit: str
) -> None:
    """No limit is unbounded, and none is changed without a word."""
    answer = await people_client.get(f"/people?limit={limit}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "limit"]


@pytest.mark.parametrize(
    "sort", ["nope", "metadata", "registry", "__init__", "id;drop table", "secret", "pets.name",
             "extra", "name,name", "-", "", "name:first", "team", "team.nope", "a.b.c.d.e"]
)  # fmt: skip
async def test_bad_sort_is_422(people_client: httpx2.AsyncClient, sort: str) -> None:
    """Advanced Alchemy and fastapi-filter answer 500."""
    answer = await people_client.get("/people", params={"sort": sort})
    assert answer.status_code == 422, answer.text


@pytest.mark.long
async def test_hidden_columns_are_nowhere(people_client: httpx2.AsyncClient) -> None:
    """FastCRUD's create answers with all columns; a secret cannot be written, filtered, sorted."""
    made = await people_client.post("/people", json={"name": "a"})
    assert "secret" not in made.json()
    for path in ("/people?secret=x", "/people?sort=secret", "/people?fields=secret",
                 "/pets?owner.secret__like=%25", "/pets?sort=owner.secret"):  # fmt: skip
        assert (await people_client.get(path)).status_code == 422, path
    refused = await people_client.post("/people", json={"name": "a", "secret": "x"})
    assert refused.status_code == 422
    assert (await people_client.patch("/people/1", json={"secret": "x"})).status_code == 422


async def test_duplicates_are_409_on_patch_too(people_client: httpx2.AsyncClient) -> None:
    """FastCRUD's PATCH answers 500."""
    await _fill(people_client, {"name": "a", "email": "a@x"}, {"name": "b", "email": "b@x"})
    answer = await people_client.patch("/people/2", json={"email": "a@x"})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/email"


async def test_null_can_be_set_where_there_is_a_default(people_client: httpx2.AsyncClient) -> None:
    """Advanced Alchemy ignores null for a nullable column with a default."""
    await _fill(people_client, {"name": "a", "age": 3, "extra": {"a": 1}})
    row = (await people_client.patch("/people/1", json={"age": None, "extra": None})).json()
    assert (row["age"], row["extra"], row["double"]) == (None, None, None)
    assert (await people_client.get("/people?extra__isnull=true")).json()["items"]
    assert (await people_client.patch("/people/1", json={"name": None})).status_code == 422


async def test_wildcards_mean_themselves(people_client: httpx2.AsyncClient) -> None:
    """fastapi-filter and the admins leave % and _ of a search unescaped."""
    await _fill(people_client, {"name": "100%"}, {"name": "1000"}, {"name": "a_b"}, {"name": "axb"})
    for query, found in (
        ("name__contains=0%25", [1]),
        ("name__startswith=a_", [3]),
        ("q=a_B", [3]),
    ):
        page = (await people_client.get(f"/people?{query}")).json()
        assert [row["id"] for row in page["items"]] == found, query


@pytest.mark.long
async def test_text_is_found_in_either_case_and_by_its_own_letters(
    people_client: httpx2.AsyncClient,
) -> None:
    """MariaDB takes e for é, SQLite knows no É to be é: each is at least itself, and no other."""
    names = ("café", "CAFÉ", "Straße", "İ", "Ann")
    await _fill(people_client, *[{"name": name} for name in names])
    for number, name in enumerate(names, 1):
        for query in ({"name__ilike": name}, {"q": name}):
            found = (await people_client.get("/people", params=query)).json()["items"]
            assert number in [row["id"] for row in found], query
    for query in ({"name__ilike": "cafe"}, {"q": "strasse"}, {"name__ilike": "ann "}):
        assert (await people_client.get("/people", params=query)).json()["items"] == [], query
    assert (await people_client.get("/people?q=ANN")).json()["items"][0]["name"] == "Ann"


@pytest.mark.long
async def test_a_key_is_no_other_key(shop_client: httpx2.AsyncClient) -> None:
    """MariaDB takes BIKE-1 for bike-1: it would be read, changed and deleted by another name."""
    for key in ("BIKE-1", "bike-1%20", "bik%C3%A9-1"):
        for method in ("GET", "PATCH", "DELETE"):
            body: Any = {"title": "X"} if method == "PATCH" else None
            answer = await shop_client.request(method, f"/products/{key}", json=body)
            assert answer.status_code == 404, (method, key)
    assert (await shop_client.get("/products/bike-1")).json()["title"] == "Red bike"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("agee=1", "query.agee: Person has no 'agee'; did you mean 'age'?"),
        ("age__gtt=1", "query.age__gtt: 'age' has eq, ne, in, not_in, isnull, lt, le, gt, ge, "
                       "between, and no 'gtt'; did you mean 'gt'?"),
        ("limt=1", "query.limt: There is no 'limt'; did you mean 'limit'?"),
        ("team__isnull=true", "query.team__isnull: 'team' is a relation; name a field of it, as "
                              "team.id"),
        ("sort=-team", "query.sort: 'team' is a relation; name a field of it, as team.id"),
        ("team.nme=x", "query.team.nme: Team has no 'nme'; did you mean 'name'?"),
        ("limit=0", "query.limit: Must be from 1 to 1000, not 0"),
        ("count=all", "query.count: Must be exact, capped or estimated, not 'all'"),
    ],
)  # fmt: skip
async def test_errors_say_what_to_write(
    people_client: httpx2.AsyncClient, query: str, told: str
) -> None:
    """The parameter, the value, and what was meant."""
    answer = (await people_client.get(f"/people?{query}")).json()
    assert (answer["detail"], answer["errors"][0]["loc"][0]) == (told, "query")


@pytest.mark.long
async def test_children_beyond_the_limit_are_told(people_client: httpx2.AsyncClient) -> None:
    """An included relation ends after 100 rows, and the answer says so."""
    await _fill(people_client, {"name": "a"})
    for _ in range(2):
        steps = [{"op": "create", "data": {"name": "x", "owner_id": 1}}] * 60
        await people_client.post("/pets:batch", json={"operations": steps})
    answer = await people_client.get("/people?include=pets")
    assert len(answer.json()["items"][0]["pets"]) == 100
    assert answer.json()["truncated"] == ["pets"]
    assert (await people_client.get("/people/1?include=pets")).headers[
        "Truncated-Includes"
    ] == "pets"


async def test_cursor_is_bound_to_its_list(people_client: httpx2.AsyncClient) -> None:
    """A cursor serves its own list only; sqlakeyset's may be edited."""
    await _fill(people_client, *[{"name": "a"} for _ in range(4)])
    page = await people_client.get("/people?limit=1&sort=name&age__isnull=true")
    cursor = page.json()["next_cursor"]
    assert cursor in page.headers["Link"]
    follow = (await people_client.get(page.headers["Link"].split(">")[0][1:])).json()
    assert [row["id"] for row in follow["items"]] == [2]
    for query in ("", "sort=-name&age__isnull=true", "sort=name"):
        answer = await people_client.get(f"/people?{query}&cursor={cursor}")
        assert answer.status_code == 422, query
    for wrong in (
        cursor[:-2],
        ("B" if cursor[0] == "A" else "A") + cursor[1:],
        "x",
        "%00",
        "é",
        "A" * 5000,
        "=",
        "null",
    ):
        params = {"sort": "name", "age__isnull": "true", "cursor": wrong}
        assert (await people_client.get("/people", params=params)).status_code == 422, wrong


async def test_carriers_agree(people_client: httpx2.AsyncClient) -> None:
    """Query string, QUERY body and its POST twin are one grammar, and share cursors."""
    await _fill(people_client, *[{"name": "a", "age": n} for n in range(4)])
    one = (await people_client.get("/people?age__gte=1&limit=2&sort=-age")).json()
    body = {"age__gte": 1, "limit": 2, "sort": ["-age"]}
    two = (await people_client.request("QUERY", "/people", json=body)).json()
    three = (await people_client.post("/people:query", json={**body, "age__gte": 1})).json()
    where = {"where": {"age__gte": 1}, "limit": 2, "sort": "-age"}
    four = (await people_client.post("/people:query/", json=where)).json()
    assert one["items"] == two["items"] == three["items"] == four["items"]
    assert one["next_cursor"] == two["next_cursor"] == three["next_cursor"]
