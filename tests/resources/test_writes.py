"""Writes over HTTP: what they store, what they answer, what they refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.resources.conftest import BO

pytestmark = pytest.mark.anyio

BIKE = {"sku": "bike-2", "title": "Blue bike", "price": "10.50"}


@pytest.mark.long
async def test_create_answers_the_stored_row(shop_client: httpx2.AsyncClient) -> None:
    """201 with the row, its path and its tag; reading it gives the same."""
    answer = await shop_client.post("/orders", json={"note": "soon"})
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    read = await shop_client.get(answer.headers["Location"])
    assert read.json() == answer.json()
    assert read.headers["ETag"] == '"1"'


@pytest.mark.long
async def test_slash_makes_no_difference(shop_client: httpx2.AsyncClient) -> None:
    """Each path answers with and without a slash at its end, without a redirect."""
    for path in ("/products", "/products/bike-1"):
        one, other = await shop_client.get(path), await shop_client.get(path + "/")
        assert (one.status_code, one.content) == (200, other.content)
    assert (await shop_client.post("/products/", json=BIKE)).headers[
        "Location"
    ] == "/products/bike-2"


@pytest.mark.long
async def test_patch_keeps_what_is_absent(shop_client: httpx2.AsyncClient) -> None:
    """Absent keeps, null is NULL, an empty body changes nothing."""
    await shop_client.patch("/products/bell-1", json={"price": "3"})
    row = (await shop_client.get("/products/bell-1")).json()
    assert (row["price"], row["description"]) == ("3.00", "Loud")
    row = (await shop_client.patch("/products/bell-1", json={"description": None})).json()
    assert row["description"] is None
    assert (await shop_client.patch("/products/bell-1", json={})).json() == row
    assert (await shop_client.patch("/products/none", json={})).status_code == 404
    assert (await shop_client.patch("/orders/1", json={})).headers["ETag"] == '"1"'


async def test_merge_patch_type_is_taken(shop_client: httpx2.AsyncClient) -> None:
    """PATCH takes application/merge-patch+json too; POST does not."""
    headers = {"Content-Type": "application/merge-patch+json"}
    done = await shop_client.patch("/products/bell-1", content=b'{"price": 2}', headers=headers)
    assert done.status_code == 200
    refused = await shop_client.post("/products", content=b"{}", headers=headers)
    assert refused.status_code == 415


@pytest.mark.long
async def test_put_creates_and_replaces(shop_client: httpx2.AsyncClient) -> None:
    """201 for a new key, 200 for one that is there, whose absent values become defaults."""
    first = await shop_client.put("/products/bike-2", json={**BIKE, "description": "Fast"})
    assert (first.status_code, first.headers["Location"]) == (201, "/products/bike-2")
    second = await shop_client.put("/products/bike-2", json={"title": "B", "price": "1"})
    assert (second.status_code, second.json()["description"]) == (200, None)
    assert second.json()["tags"] == []
    other = await shop_client.put("/products/bike-2", json={**BIKE, "sku": "bike-3"})
    assert other.status_code == 422
    headers = {"If-None-Match": "*"}
    again = await shop_client.put("/products/bike-2", json=BIKE, headers=headers)
    assert again.status_code == 412
    old = {"If-Match": "*"}
    gone = await shop_client.put("/products/n", json={**BIKE, "sku": "n"}, headers=old)
    assert gone.status_code == 412
    new = await shop_client.put("/products/n", json={**BIKE, "sku": "n"}, headers=headers)
    assert new.status_code == 201


@pytest.mark.long
async def test_paths_of_any_key_are_ascii(shop_client: httpx2.AsyncClient) -> None:
    """Location leads to the row, whatever letters its key has; found by the fuzzer."""
    for sku in ("\U000717e4", "é ä", "a,b", "100%", "?#"):
        made = await shop_client.post("/products", json={**BIKE, "sku": sku})
        assert (await shop_client.get(made.headers["Location"])).json()["sku"] == sku
        assert (await shop_client.delete(made.headers["Location"])).status_code == 204
        put = await shop_client.put(made.headers["Location"], json={"title": "T", "price": "1"})
        assert (put.status_code, put.headers["Location"]) == (201, made.headers["Location"])
        step = {"op": "create", "data": {**BIKE, "sku": f"{sku}2"}}
        done = await shop_client.post("/products:batch", json={"operations": [step]})
        place = done.json()["results"][0]["location"]
        assert (await shop_client.get(place)).json()["sku"] == f"{sku}2"


async def test_put_needs_a_key_of_the_client(shop_client: httpx2.AsyncClient) -> None:
    """Where the server makes the keys there is no PUT."""
    answer = await shop_client.put("/orders/7", json={})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


async def test_upsert_changes_the_row_that_is_there(shop_client: httpx2.AsyncClient) -> None:
    """201 for a new row; 200 and the changed row, or with ignore the one that is there."""
    path = "/products?on_conflict=sku"
    assert (await shop_client.post(path, json=BIKE)).status_code == 201
    changed = await shop_client.post(path, json={**BIKE, "title": "Green"})
    assert (changed.status_code, changed.json()["title"]) == (200, "Green")
    ignored = await shop_client.post(f"{path}&on_match=ignore", json=BIKE)
    assert (ignored.status_code, ignored.json()["title"]) == (200, "Green")
    refused = await shop_client.post("/products?on_conflict=title", json=BIKE)
    assert refused.status_code == 422
    assert "sku" in refused.json()["detail"]


@pytest.mark.long
async def test_upserts_at_once_make_one_row(shop_client: httpx2.AsyncClient) -> None:
    """Of many upserts of one key one creates; the others change its row.

    MariaDB finds deadlocks among them; whoever is its victim comes again, as the answer says.
    """

    async def upsert(number: int) -> int:
        body = {**BIKE, "title": f"t{number}"}
        while True:
            answer = await shop_client.post("/products?on_conflict=sku", json=body)
            if answer.status_code != 503:
                return answer.status_code
            assert answer.json()["code"] == "busy"

    assert sorted(await asyncio.gather(*map(upsert, range(8)))) == [200] * 7 + [201]


@pytest.mark.long
async def test_delete_answers_204_once(shop_client: httpx2.AsyncClient) -> None:
    """204, then 404; 409 while other rows refer to it; children that cascade go too."""
    await shop_client.post("/products", json=BIKE)
    assert (await shop_client.delete("/products/bike-2")).status_code == 204
    assert (await shop_client.delete("/products/bike-2")).status_code == 404
    assert (await shop_client.delete("/products/bike-1")).status_code == 409
    assert (await shop_client.delete("/orders/1")).status_code == 204
    assert (await shop_client.get("/lines")).json()["items"] == []


@pytest.mark.long
async def test_links_go_with_their_row(people_client: httpx2.AsyncClient) -> None:
    """Rows of a many-to-many table do not keep a row from being deleted."""
    await people_client.post("/people", json={"name": "Ann"})
    assert (await people_client.delete("/people/1")).status_code == 204


@pytest.mark.long
async def test_conditions_are_in_the_statement(shop_client: httpx2.AsyncClient) -> None:
    """412 for a stale tag, and nothing is changed; the right one gives the next version."""
    stale = {"If-Match": '"7"'}
    assert (
        await shop_client.patch("/orders/1", json={"note": "a"}, headers=stale)
    ).status_code == 412
    assert (await shop_client.delete("/orders/1", headers=stale)).status_code == 412
    right = {"If-Match": '"7", "1"'}
    done = await shop_client.patch("/orders/1", json={"note": "a"}, headers=right)
    assert (done.status_code, done.headers["ETag"]) == (200, '"2"')
    weak = {"If-Match": 'W/"2"'}
    assert (
        await shop_client.patch("/orders/1", json={"note": "b"}, headers=weak)
    ).status_code == 412
    odd = {"If-Match": '"abc"'}
    assert (
        await shop_client.patch("/orders/1", json={"note": "b"}, headers=odd)
    ).status_code == 412
    broken = {"If-Match": "2"}
    assert (await shop_client.patch("/orders/1", json={}, headers=broken)).status_code == 422
    unversioned = await shop_client.patch("/products/bell-1", json={"price": 1}, headers=right)
    assert unversioned.status_code == 412


@pytest.mark.long
async def test_read_answers_304(shop_client: httpx2.AsyncClient) -> None:
    """A client that has the row gets no body; another form of the row has another tag."""
    known = {"If-None-Match": '"1"'}
    assert (await shop_client.get("/orders/1", headers=known)).status_code == 304
    other = await shop_client.get("/orders/1?include=lines", headers=known)
    assert other.status_code == 200
    again = {"If-None-Match": f"W/{other.headers['ETag']}"}
    assert (await shop_client.get("/orders/1?include=lines", headers=again)).status_code == 304
    # Its version part is still good for a write.
    tag = {"If-Match": other.headers["ETag"]}
    assert (
        await shop_client.patch("/orders/1", json={"note": "a"}, headers=tag)
    ).status_code == 200


async def test_prefer_minimal_answers_without_a_body(shop_client: httpx2.AsyncClient) -> None:
    """The headers are there, the body is not."""
    headers = {"Prefer": "respond-async, return=minimal"}
    made = await shop_client.post("/orders", json={}, headers=headers)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["Preference-Applied"] == "return=minimal"
    assert made.headers["Location"].startswith("/orders/")
    changed = await shop_client.patch("/orders/1", json={"note": "x"}, headers=headers)
    assert (changed.status_code, changed.content, changed.headers["ETag"]) == (204, b"", '"2"')


async def test_batch_is_all_or_nothing(shop_client: httpx2.AsyncClient) -> None:
    """One wrong operation undoes them all, and the answer says which."""
    steps: list[Any] = [
        {"op": "create", "data": BIKE},
        {"op": "create", "data": {**BIKE, "sku": "bike-1"}},
    ]
    answer = await shop_client.post("/products:batch", json={"operations": steps})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/operations/1/data/sku"
    assert (await shop_client.get("/products/bike-2")).status_code == 404
    steps[1] = {"op": "delete", "id": "nothing"}
    answer = await shop_client.post("/products:batch", json={"operations": steps})
    assert answer.status_code == 404
    assert (await shop_client.get("/products/bike-2")).status_code == 404


async def test_batch_of_each_on_its_own(shop_client: httpx2.AsyncClient) -> None:
    """Not atomic: 207 with a problem per failure; the others are stored."""
    steps: list[Any] = [
        {"op": "create", "data": BIKE},
        {"op": "create", "data": {**BIKE, "sku": "bike-1"}},
        {"op": "update", "id": "bell-1", "data": {"price": "2"}},
        {"op": "upsert", "on_conflict": ["sku"], "data": {**BIKE, "title": "T"}},
        {"op": "delete", "id": "none"},
    ]
    answer = await shop_client.post("/products:batch", json={"operations": steps, "atomic": False})
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [201, 409, 200, 200, 404]
    assert results[1]["body"]["code"] == "unique_violation"
    assert (await shop_client.get("/products/bike-2")).json()["title"] == "T"


async def test_batch_of_each_refuses_each(shop_client: httpx2.AsyncClient) -> None:
    """What is no operation, or names a key that no row can have, does not stop the others."""
    steps: list[Any] = [
        {"op": "create", "data": {}},
        {"op": "delete", "id": 2**31},
        {"op": "delete", "id": "x"},
        {"op": "move", "id": 1},
        {"op": "update", "id": 1, "if_match": "1", "data": {}},
        {"op": "update", "id": 1, "data": {"note": "x"}},
    ]
    answer = await shop_client.post("/orders:batch", json={"operations": steps, "atomic": False})
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [201, 404, 422, 422, 422, 200]
    assert results[2]["body"]["errors"][0]["pointer"] == "/operations/2/id"
    whole = await shop_client.post("/orders:batch", json={"operations": steps})
    assert whole.status_code == 404
    assert whole.json()["errors"][0]["pointer"] == "/operations/1"


async def test_batch_checks_versions(shop_client: httpx2.AsyncClient) -> None:
    """`if_match` is the If-Match of one operation."""

    def batch(tag: str) -> Any:
        step = {"op": "update", "id": 1, "if_match": tag, "data": {"note": "x"}}
        return shop_client.post("/orders:batch", json={"operations": [step]})

    assert (await batch('"9"')).status_code == 412
    done = await batch('"1"')
    assert done.json()["results"][0]["etag"] == '"2"'


@pytest.mark.long
async def test_same_key_is_the_same_request(shop_client: httpx2.AsyncClient) -> None:
    """The first answer comes again; another body is refused; another client has other keys."""
    key = {"Idempotency-Key": "one"}
    first = await shop_client.post("/orders", json={"note": "a"}, headers=key)
    second = await shop_client.post("/orders/", json={"note": "a"}, headers=key)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    other = await shop_client.post("/orders", json={"note": "b"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    bo = await shop_client.post("/orders", json={"note": "b"}, headers={**key, **BO})
    assert (bo.status_code, bo.json()["customer_id"]) == (201, 2)
    refused = await shop_client.post("/products", json=BIKE, headers=key)
    assert refused.status_code == 422


async def test_failed_request_leaves_its_key_free(shop_client: httpx2.AsyncClient) -> None:
    """What was rolled back may be tried again under the same key."""
    key = {"Idempotency-Key": "two"}
    bad = await shop_client.post("/orders", json={"note": "x" * 500}, headers=key)
    assert bad.status_code == 422
    assert (await shop_client.post("/orders", json={}, headers=key)).status_code == 201


@pytest.mark.long
async def test_duplicates_at_once_have_one_effect(shop_client: httpx2.AsyncClient) -> None:
    """20 keys, each 8 times at once: 20 rows."""

    # Four keys at a time: more clients than connections, and none that only waits for one.
    limit = asyncio.Semaphore(32)

    async def send(number: int) -> httpx2.Response:
        headers = {"Idempotency-Key": f"k{number}"}
        body = {"note": f"n{number}"}
        async with limit:
            answer = await shop_client.post("/orders", json=body, headers=headers)
            while answer.status_code in {409, 503}:
                await asyncio.sleep(0.2)
                answer = await shop_client.post("/orders", json=body, headers=headers)
        return answer

    answers = await asyncio.gather(*[send(number // 8) for number in range(160)])
    assert {answer.status_code for answer in answers} == {201}
    page = await shop_client.get("/orders?note__startswith=n&count=exact&limit=100")
    assert page.json()["total"] == 20
    assert len({row["note"] for row in page.json()["items"]}) == 20


@pytest.mark.long
async def test_no_update_is_lost(shop_client: httpx2.AsyncClient) -> None:
    """Clients that count up under If-Match: the number at the end is the number of 200s."""
    await shop_client.patch("/orders/1", json={"note": "0"})

    async def count(times: int) -> int:
        done = 0
        for _ in range(times):
            row = await shop_client.get("/orders/1")
            changed = await shop_client.patch(
                "/orders/1",
                json={"note": str(int(row.json()["note"]) + 1)},
                headers={"If-Match": row.headers["ETag"]},
            )
            assert changed.status_code in {200, 412, 503}
            done += changed.status_code == 200
        return done

    done = sum(await asyncio.gather(*[count(10) for _ in range(8)]))
    assert done > 0
    assert (await shop_client.get("/orders/1")).json()["note"] == str(done)
