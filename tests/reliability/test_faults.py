"""Each driver call of each operation fails once, before its effect and after."""

from __future__ import annotations

import httpx2
import pytest

from ormolu import Database
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability.accounts import checked_out, make_app, make_database, rows_of
from tests.reliability.driver_faults import Saboteur, When, sabotage

OPERATIONS = ("create", "increment", "delete", "read")

# More calls than any operation has; a loop that gets here has found no end.
MOST_CALLS = 60


@pytest.mark.parametrize("disconnect", [False, True], ids=["error", "disconnect"])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_failing_call_leaves_nothing_behind(
    operation: str,
    backend: Backend,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    disconnect: bool,
) -> None:
    """2xx means stored, an error means not stored, and the next request is right."""
    db = make_database(database_url, pool_size=2)
    saboteur = sabotage(monkeypatch, backend.name, disconnect=disconnect)
    async with client_of(make_app(db)) as client:
        assert (await client.post("/accounts?name=first")).status_code == 201
        for when in ("before", "after"):
            for number in range(1, MOST_CALLS):
                await _check_one(client, db, saboteur, operation, when, number, database_url)
                if not saboteur.fired:
                    break
            assert 1 < number < MOST_CALLS - 1


async def _check_one(
    client: httpx2.AsyncClient,
    db: Database,
    saboteur: Saboteur,
    operation: str,
    when: When,
    number: int,
    url: str,
) -> None:
    tag = f"{operation}{when}{number}"
    target = (await client.post(f"/accounts?name=target-{tag}")).json()
    before = await rows_of(url)
    with saboteur.armed(number, when):
        answer = await _send(client, operation, target, tag)
    after = await rows_of(url)

    is_changed = before != after
    if answer.status_code < 400:
        assert is_changed is (operation != "read"), tag
    elif answer.json()["code"] != "outcome_unknown":
        assert not is_changed, tag
    assert answer.status_code < 400 or saboteur.fired, tag
    assert checked_out(db) == 0, tag

    assert (await client.post(f"/accounts?name=next-{tag}")).status_code == 201, tag
    assert (await client.get("/accounts/1")).json() == "first", tag
    assert len(await rows_of(url)) == len(after) + 1, tag


async def _send(
    client: httpx2.AsyncClient, operation: str, target: int, tag: str
) -> httpx2.Response:
    if operation == "create":
        return await client.post(f"/accounts?name={tag}")
    if operation == "increment":
        return await client.post(f"/accounts/{target}/increments")
    if operation == "delete":
        return await client.delete(f"/accounts/{target}")
    return await client.get("/accounts/1")


@pytest.mark.parametrize("disconnect", [False, True], ids=["error", "disconnect"])
async def test_commit_that_broke_after_its_effect_is_declared(
    backend: Backend, database_url: str, monkeypatch: pytest.MonkeyPatch, *, disconnect: bool
) -> None:
    """Only a break in COMMIT may leave something stored behind an error, and says so."""
    db = make_database(database_url)
    saboteur = sabotage(monkeypatch, backend.name, disconnect=disconnect)
    stored: list[str] = []
    async with client_of(make_app(db)) as client:
        for number in range(1, MOST_CALLS):
            await client.post(f"/accounts?name=warm-{number}")
            before = await rows_of(database_url)
            with saboteur.armed(number, "after"):
                answer = await client.post(f"/accounts?name=a{number}")
            if answer.status_code >= 400 and await rows_of(database_url) != before:
                stored.append(answer.json()["code"])
                assert "retry-after" not in answer.headers
    assert stored == ["outcome_unknown"]
