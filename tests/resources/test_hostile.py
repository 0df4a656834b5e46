"""What a client may send to harm: the same 4xx on every backend, and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.resources.conftest import ANN

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


def _person(**values: Any) -> bytes:
    return json.dumps({"name": "a", **values}).encode()


def _raw(name: str, value: str) -> bytes:
    return b'{"name": "a", "%s": %s}' % (name.encode(), value.encode("utf-8", "surrogatepass"))


def _deep(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


# Bodies of a POST to /people, and the status of each.
BODIES: list[tuple[bytes, int]] = [
    *[(body, 400) for body in (
        b"", b"{", b"{'name': 'a'}", b'{"name": "a"', b'{"name": "a",}', b"\xff\xfe{\x00}\x00",
        b'\xef\xbb\xbf{"name": "a"}', b'{"name": "\xff"}', b'{"name": "a", "name": "b"}',
        b'{"name": NaN}', b'{"name": "a", "ratio": Infinity}', b'{"name": "a", "ratio": -Infinity}',
        b'{"name": "\xed\xa0\x80"}', b'{"name": "a", "age": 01}', b'{"name": "a"} {}', b"nul",
        _raw("extra", '{"a": 1, "a": 2}'), _raw("age", "9" * 5000), b"[" * 100_000,
        _raw("extra", _deep(2000)), _raw("extra", _deep(200)), b'{"name": "a\x01"}',
    )],
    *[(body, 422) for body in (
        b"[]", b"null", b"1", b'"a"', b"true", b"{}", b'{"name": null}', b'{"name": 5}',
        b'{"name": true}', b'{"name": []}', b'{"name": {}}', _person(name="x" * 21),
        _person(name="x" * 100_000), _person(name="a\x00b"), b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}', b'{"name": "a\\udfffb"}', _person(id=7), _person(nope=1),
        _person(double=4), _person(secret="x"), _person(__class__="x"), _person(metadata={}),
        _person(team={"id": 1}), _person(pets=[]),
        _person(age=2**31), _person(age=-(2**31) - 1), _person(age=2**63), _person(age=10**20),
        _person(age="1"), _person(age=1.5), _person(age=1.0), _person(age=True), _person(age=[1]),
        _raw("age", "1e400"), _raw("age", "1e2"),
        _person(big=2**63), _person(big=-(2**63) - 1), _person(big=10**30), _person(big="5"),
        _person(price="1000000"), _person(price=10**20), _person(price="0.001"), _person(price=0.005),
        _person(price="1e5"), _person(price="1e400"), _person(price="1e999999999"),
        _raw("price", "1e400"), _raw("price", "1e999999999"), _person(price="NaN"),
        _person(price="Infinity"), _person(price="-Infinity"), _person(price="sNaN"),
        _person(price=""), _person(price=" 1"), _person(price="1_0"), _person(price="\u0661"),
        _person(price="9" * 200), _person(price="0." + "0" * 200), _person(price=True),
        _person(price=[]), _person(price={}),
        _raw("ratio", "1e400"), _raw("ratio", "-1e400"), _person(ratio="1.5"), _person(ratio=True),
        _person(born="2026-01-01T00:00:00"), _person(born="0001-01-01T00:00:00+14:00"),
        _person(born="9999-12-31T23:59:59-14:00"), _person(born="2026-02-30T00:00:00Z"),
        _person(born="2026-13-01T00:00:00Z"), _person(born="yesterday"), _person(born=1),
        _person(born="1"), _person(born=1.5), _person(born="2026-01-01"), _person(born=True),
        _person(born="10000-01-01T00:00:00Z"), _person(born="2026-01-01T25:00:00Z"),
        _person(day="2026-02-30"), _person(day=1), _person(day="20260230"), _person(day="0000-01-01"),
        _person(day="2026-01-01T12:00:00"), _person(day="99999-01-01"),
        _person(at="25:00:00"), _person(at="12:00:00.5"), _person(at="12:00:00Z"), _person(at=5),
        _person(is_member="true"), _person(is_member=1), _person(is_member=0), _person(is_member="yes"),
        _person(colour="RED"), _person(colour="pink"), _person(colour=0), _person(colour=""),
        _person(code="x"), _person(code="1" * 33), _person(code=5), _person(code=""),
        _person(wait="P999999999D"), _person(wait="P3000000D"), _person(wait=1e300),
        _person(wait="1"), _person(wait=7),
        _person(raw="!"), _person(raw="a"), _person(raw=5), _person(raw="A" * 400), _person(raw="\u00e9"),
        _person(notes="a\x00"),
        _person(extra=[]), _person(extra="x"), _person(extra=5), _raw("extra", '{"a": 1e400}'),
        _person(extra={"a": "b\x00"}), _person(extra={"\x00": 1}), b'{"name":"a","extra":{"\\ud800":1}}',
        b'{"name":"a","extra":{"a":"\\udc00"}}', _person(extra={"a": 2**63}), _raw("extra", _deep(32)),
        _raw("extra", _deep(90)),
        _person(email="x" * 41), _person(email=7), _person(team_id="1"), _person(team_id=2**31),
    )],
    (_person(team_id=99), 409),
    (b'{"name": "a", "notes": "' + b"x" * 1_100_000 + b'"}', 413),
    (_raw("extra", "{" + ",".join(f'"{n}":1' for n in range(200_000)) + "}"), 413),
]  # fmt: skip

PATHS = [
    ("/people/2147483648", 404), ("/people/100000000000000000000", 404), ("/people/-1", 404),
    ("/people/0", 404), ("/people/" + "9" * 5000, 422), ("/people/abc", 422), ("/people/1.5", 422),
    ("/people/1,2", 422), ("/people/%00", 422), ("/people/%0A", 422), ("/people/%ff", 400), ("/people/%ed%a0%80", 400),
    ("/people/null", 422), ("/people/1%20or%201=1", 422), ("/people/1/pets", 404),
    ("/people/-2147483649", 404), ("/people/%2e%2e", 422), ("/people:nope", 404),
]  # fmt: skip

QUERIES = [
    *[(query, 422) for query in (
        "nope=1", "name__nope=1", "nope__eq=1", "name__=1", "__eq=1", "__class__=1", "=1", "age",
        "age=", "age=x", "age=2147483648", "age=1.5", "age=1&age=2", "big=9223372036854775808",
        "age__in=x", "age__in=1&age__in=99999999999", "age__between=1", "age__between=1&age__between=2&age__between=3",
        "age__like=1", "name__ilike=a%5C", "age__isnull=x", "age__isnull=2", "born=2026-01-01", "born=2026-01-01T00:00:00",
        "born__gt=0001-01-01T00:00:00%2B14:00", "born=5", "day=2026-02-30", "price=x", "price=1e999999999",
        "price=NaN", "ratio=nan", "ratio=inf", "ratio=1e999", "colour=pink", "colour__gt=red",
        "code=x", "is_member=maybe", "name=%00", "name__contains=a%00b", "name__like=a%5C",
        "extra=1", "extra.a=1", "raw__like=a", "secret=x", "secret__like=a%25", "email.x=1",
        "team=1", "team.nope=1", "team.name.x=1", "team.=1", ".name=1", "team..name=1", "pets.owner.nope=a",
        "team.id__nope=1", "metadata=1", "registry=1", "where=", "where={", "where=[]", "where=1",
        "where=null1", 'where={"a":1}', 'where={"or":[]}', 'where={"or":{}}', 'where={"not":[]}',
        'where={"and":[1]}', 'where={"pets":1}', 'where={"pets":{"some":{}}}',
        'where={"age":"1"}', 'where={"age":{"gt":1}}', 'where={"age__in":["x"]}', 'where={"name":"%00"}',
        'where={"name":"\\u0000"}', 'where={"name":"\\ud800"}', 'where={"name__isnull":1}',
        "where=" + '{"not":' * 6 + '{"age":1}' + "}" * 6,
        "where=" + json.dumps({"or": [{"age": 1}] * 51}),
        "where=" + json.dumps({"age__in": list(range(1001))}),
        "where=1&where=2", "q=%00", "sort=nope", "sort=-", "sort=secret", "sort=team", "sort=pets.name",
        "sort=extra", "sort=name:x", "sort=a&sort=b", "sort=" + ",".join("abcdefghi"),
        "limit=0", "limit=1001", "limit=x", "limit=1e3", "offset=-1", "offset=9223372036854775808",
        "offset=1001", "cursor=x", "cursor=%00", "cursor=" + "A" * 5000, "count=1", "cursor=x&offset=1", "team.team.team.team.team.team.name=1", "count=yes", "count=", "fields=",
        "fields=nope", "fields=secret", "fields=id,", "fields=team.name", "include=nope", "include=",
        "include=secret", "include=team.nope", "include=a.b.c.d", "page=1", "filter=1", "prize=1",
    )],
    ("name=%ff", 400), ("%ff=1", 400), ("where=%ff", 400),
]  # fmt: skip

HEADERS: list[tuple[dict[str, str], int]] = [
    ({"Content-Type": "text/plain"}, 415), ({"Content-Type": "application/xml"}, 415),
    ({"Content-Type": "multipart/form-data"}, 415), ({"Content-Type": ""}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({**JSON, "If-Match": "*"}, 412), ({**JSON, "If-Match": '"1"'}, 412), ({**JSON, "If-Match": "x"}, 422),
    ({**JSON, "If-None-Match": "x"}, 422), ({**JSON, "Idempotency-Key": "k"}, 422),
]  # fmt: skip

QUERY_BODIES: list[Any] = [
    [], None, 5, {"nope": 1}, {"where": []}, {"q": 5}, {"q": " ".join("abcdefghijk")}, {"sort": [5]},
    {"sort": 5}, {"fields": 5}, {"fields": [[]]}, {"include": {}}, {"limit": "5"}, {"limit": True},
    {"limit": 1.5}, {"offset": -1}, {"count": 1}, {"cursor": 5}, {"cursor": []}, {"age": "x"},
    {"age__in": "x"}, {"age__between": [1]}, {"name": {}}, {"name": 5}, {"pets": []},
    {"pets": {"any": 1}}, {"born": 5}, {"code": 5}, {"extra": {}}, {"raw": 5},
    {"name__contains": "\U0001f600" * 10_001}, {"name__ilike": "*" * 60_000}, {"q": "x" * 60_000},
    {"where": {"or": [{}] * 51}}, {"where": {"and": [{"not": {}}] * 51}},
    {"where": {"or": [{"name__in": [str(n) for n in range(1000)]}] * 40}},
]  # fmt: skip

WRONG_BATCHES: list[Any] = [
        None, [], 5, {}, {"operations": None}, {"operations": []}, {"operations": {}},
        {"operations": [1]}, {"operations": [{}]}, {"operations": [{"op": "nope"}]},
        {"operations": [{"op": ["create"]}]}, {"operations": [{"op": "create"}]},
        {"operations": [{"op": "create", "data": []}]}, {"operations": [{"op": "create", "data": {}}]},
        {"operations": [{"op": "create", "data": {"name": "a"}, "id": 1}]},
        {"operations": [{"op": "update", "data": {}}]}, {"operations": [{"op": "update", "id": 1}]},
        {"operations": [{"op": "update", "id": None, "data": {}}]},
        {"operations": [{"op": "update", "id": "x", "data": {}}]},
        {"operations": [{"op": "update", "id": [1, 2], "data": {}}]},
        {"operations": [{"op": "update", "id": True, "data": {}}]},
        {"operations": [{"op": "delete", "id": {}}]}, {"operations": [{"op": "delete", "id": []}]}, {"operations": [{"op": "delete", "id": 1.5}]},
        {"operations": [{"op": "delete", "id": 1, "if_match": 3}]},
        {"operations": [{"op": "delete", "id": 1, "if_match": "x"}]},
        {"operations": [{"op": "upsert", "data": {"name": "a"}}]},
        {"operations": [{"op": "upsert", "data": {"name": "a"}, "on_conflict": "name"}]},
        {"operations": [{"op": "upsert", "data": {"name": "a"}, "on_conflict": 5}]},
        {"operations": [{"op": "upsert", "data": {"name": "a"}, "on_conflict": "email", "on_match": 1}]},
        {"operations": [{"op": "create", "data": {"name": "a"}}] * 101},
        {"operations": [{"op": "create", "data": {"name": "a"}}], "atomic": 1},
        {"operations": [{"op": "create", "data": {"name": "a"}}], "nope": 1},
        {"operations": [{"op": "create", "data": {"name": "a"}}, {"op": "create", "data": {"name": 5}}]},
]  # fmt: skip

BATCHES: list[tuple[Any, int]] = [
    *[(body, 422) for body in WRONG_BATCHES],
    ({"operations": [{"op": "delete", "id": 2**31}]}, 404),
    ({"operations": [{"op": "delete", "id": 10**30}]}, 404),
    ({"operations": [{"op": "create", "data": {"name": "a"}}, {"op": "delete", "id": 99}]}, 404),
    ({"operations": [{"op": "create", "data": {"name": "a", "team_id": 99}}]}, 409),
    ({"operations": [{"op": "delete", "id": 1, "if_match": '"1"'}]}, 412),
]  # fmt: skip


class _Attack:
    """Sends requests, and notes each answer that is not as it must be."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.wrong: list[str] = []

    async def send(self, expected: int, method: str, path: str, **options: Any) -> None:
        answer = await self._client.request(method, path, **options)
        is_problem = answer.headers.get("content-type") == "application/problem+json"
        if answer.status_code != expected or not is_problem or '"detail"' not in answer.text:
            sent = str(options.get("content", ""))[:80]
            self.wrong.append(
                f"{method} {path[:120]} {sent}: {answer.status_code} {answer.text[:160]}"
            )

    async def check(self, total: int = 0) -> None:
        assert self.wrong == []
        page = await self._client.get("/people?count=exact&include=team,pets")
        assert page.json()["total"] == total


@pytest.mark.long
async def test_hostile_bodies(people_client: httpx2.AsyncClient) -> None:
    """No body is a 5xx, none is stored in part."""
    attack = _Attack(people_client)
    for body, status in BODIES:
        await attack.send(status, "POST", "/people", content=body, headers=JSON)
    await attack.check()


@pytest.mark.long
async def test_hostile_changes(people_client: httpx2.AsyncClient) -> None:
    """The same bodies are no changes either."""
    await people_client.post("/people", json={"name": "a"})
    before = (await people_client.get("/people/1")).json()
    attack = _Attack(people_client)
    for body, status in BODIES:
        if body != b"{}":
            await attack.send(status, "PATCH", "/people/1", content=body, headers=JSON)
    assert attack.wrong == []
    assert (await people_client.get("/people/1")).json() == before


@pytest.mark.long
async def test_hostile_paths(people_client: httpx2.AsyncClient) -> None:
    """A key that no row can have is 404, one of another type 422."""
    attack = _Attack(people_client)
    for path, status in PATHS:
        await attack.send(status, "GET", path)
        if status != 404 or "nope" not in path:
            await attack.send(status, "DELETE", path)
    await attack.check()


@pytest.mark.long
async def test_hostile_queries(people_client: httpx2.AsyncClient) -> None:
    """No parameter is ignored, none reaches the database unread."""
    await people_client.post("/people", json={"name": "a"})
    attack = _Attack(people_client)
    for query, status in QUERIES:
        await attack.send(status, "GET", f"/people?{query}")
    for body in QUERY_BODIES:
        content = json.dumps(body).encode()
        await attack.send(422, "POST", "/people:query", content=content, headers=JSON)
    await attack.check(1)


@pytest.mark.parametrize("letter", ["x", "*", "[", "%", "!", "\U0001f600", "\uffff"])
async def test_the_longest_patterns_are_searched_for(
    people_client: httpx2.AsyncClient, letter: str
) -> None:
    """What is not refused is no error of the backend's either, where there are rows to compare."""
    await people_client.post("/people", json={"name": "a", "notes": letter * 10_000})
    for name, size in (("notes__contains", 500), ("notes__ilike", 500), ("notes__like", 500),
                       ("notes__startswith", 10_000), ("q", 250)):  # fmt: skip
        body = {name: letter * size}
        if name.endswith("like") and letter != "%":
            body = {name: letter * (size - 1) + "%"}
        answer = await people_client.post("/people:query", json=body)
        assert answer.status_code == 200, answer.text
        assert [row["id"] for row in answer.json()["items"]] == [1], name


async def test_hostile_headers(people_client: httpx2.AsyncClient) -> None:
    """Headers are read before the body is stored."""
    attack = _Attack(people_client)
    for headers, status in HEADERS:
        await attack.send(status, "POST", "/people", content=b'{"name": "a"}', headers=headers)
    await attack.check()


@pytest.mark.long
async def test_hostile_batches(people_client: httpx2.AsyncClient) -> None:
    """A batch with anything wrong in it stores nothing."""
    attack = _Attack(people_client)
    for path in ("/people?x=1", "/people?on_match=ignore", "/people?on_match=x&on_conflict=email",
                 "/people?on_conflict=email&on_conflict=email", "/people:query?limit=1"):  # fmt: skip
        await attack.send(422, "POST", path, content=b'{"name": "a"}', headers=JSON)
    for body, status in BATCHES:
        content = json.dumps(body).encode()
        await attack.send(status, "POST", "/people:batch", content=content, headers=JSON)
    await attack.check()


@pytest.mark.long
async def test_hostile_keys_of_clients(shop_client: httpx2.AsyncClient) -> None:
    """A key that no URL can hold is not stored."""
    attack = _Attack(shop_client)
    product = {"title": "a", "price": "1"}
    for sku in ("", "a/b", ".", "..", "x" * 21, "a\x00", 5, None):
        await attack.send(422, "POST", "/products", json={**product, "sku": sku})
    for path, status in (
        ("/products/a%00b", 422),
        ("/products/%ff", 400),
        ("/products/x%2Fy", 404),
        ("/products/%0A", 404),
    ):
        await attack.send(status, "GET", path)
    for key in ("", " ", "x" * 256, "é", "a\x7f"):
        headers = {**ANN, "Idempotency-Key": key.encode()}
        await attack.send(422, "POST", "/orders", json={}, headers=headers)
    assert attack.wrong == []
    assert (await shop_client.get("/products?count=exact")).json()["total"] == 2
