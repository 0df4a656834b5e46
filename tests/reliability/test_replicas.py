"""Reads go to replicas, and each client reads what it has written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ormolu import Database
from ormolu.engines._replica import Replica
from tests.backends import PostgreSQLPair
from tests.fixtures.metrics import Told
from tests.reliability._followed import (
    DRIVERS,
    Base,
    Followed,
    Note,
    browser_of,
    browser_to,
    followed,
    make_app,
)


@pytest.fixture(scope="module", params=DRIVERS)
def pair(request: pytest.FixtureRequest) -> Iterator[Followed]:
    """A database with a replica."""
    driver: str = request.param
    chosen = request.config.getoption("backend")
    if chosen and driver not in chosen:
        pytest.skip(f"only {', '.join(chosen)}")
    with followed(driver) as found:
        yield found


async def _write(client: httpx2.AsyncClient) -> tuple[int, str]:
    """Write by hand; return the new key, and the token."""
    answer = await client.post("/by-hand", params={"content": "new"})
    assert answer.status_code == 200
    return answer.json(), answer.headers["ormolu-position"]


async def test_reads_go_to_the_replica(pair: Followed) -> None:
    """A client that has written nothing reads there, by hand and in a unit of work that reads."""
    db = pair.database()
    async with browser_of(make_app(db, pair.where)) as client:
        pair.servers.catch_up()
        assert (await client.get("/where")).json() == 1
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text(pair.where)) == 1
        async with db.unit_of_work() as session:
            assert await session.scalar(text(pair.where)) == 0


async def test_client_reads_what_it_has_written(pair: Followed) -> None:
    """By the cookie and by the header; another client may see what was before."""
    app = make_app(pair.database(), pair.where)
    async with browser_of(app) as client, browser_to(app) as other:
        with pair.servers.paused():
            key, token = await _write(client)
            assert (await client.get(f"/by-hand/{key}")).json() == ["new", 0]
            header = {"ormolu-position": token}
            told = await other.get(f"/by-hand/{key}", headers=header)
            assert told.json() == ["new", 0]
            assert (await other.get(f"/by-hand/{key}")).status_code == 404
            assert (await other.get("/where")).json() == 1
        await _until_place(client, 1)
        assert (await client.get(f"/by-hand/{key}")).json() == ["new", 1]


async def test_resource_reads_what_it_has_written(pair: Followed) -> None:
    """Single rows and lists; of a write by a resource, too."""
    app = make_app(pair.database(), pair.where)
    async with browser_of(app) as client, browser_to(app) as other:
        with pair.servers.paused():
            created = await client.post("/notes", json={"text": "mine"})
            place = created.headers["location"]
            assert (await client.get(place)).json()["text"] == "mine"
            listed = await client.get("/notes", params={"sort": "-id", "limit": 1})
            assert listed.json()["items"][0]["text"] == "mine"
            assert (await other.get(place)).status_code == 404
        assert (await other.get(place)).json()["text"] == "mine"


async def test_program_reads_what_it_has_written(pair: Followed) -> None:
    """What a script has committed its reads see, without any token."""
    async with pair.database() as db:
        with pair.servers.paused():
            async with db.unit_of_work() as session:
                note = Note(text="of a script")
                session.add(note)
            async with db.unit_of_work(read_only=True) as session:
                assert (await session.get_one(Note, note.id)).text == "of a script"
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(text(pair.where)) == 1


async def test_request_that_may_write_reads_from_the_primary(pair: Followed) -> None:
    """What it reads first, too."""
    async with browser_of(make_app(pair.database(), pair.where)) as client:
        assert (await client.post("/read-and-write")).json() == 0


async def test_read_waits_for_a_replica_that_comes(pair: Followed) -> None:
    """One that is a moment behind is waited for."""
    app = make_app(pair.database(replica_wait=1.0), pair.where)
    async with browser_of(app) as client:
        pair.servers.catch_up()
        for _ in range(3):
            key, _token = await _write(client)
            assert (await client.get(f"/by-hand/{key}")).json() == ["new", 1]


async def test_replica_that_lags_leaves_the_set_and_comes_back(pair: Followed) -> None:
    """Who has written nothing is not shown what is older than `replica_lag`."""
    db = pair.database(replica_lag=0.1)
    app = make_app(db, pair.where)
    async with browser_of(app) as client, browser_to(app) as other:
        pair.servers.catch_up()
        assert (await other.get("/where")).json() == 1
        with pair.servers.paused():
            await _write(client)
            await _until_place(other, 0)
            (server,) = _servers(db)
            assert server.lag > 0.1
        await _until_place(other, 1)
        assert server.lag == 0.0


async def _until_place(client: httpx2.AsyncClient, place: int) -> None:
    async with asyncio.timeout(20):
        while (await client.get("/where")).json() != place:  # noqa: ASYNC110 -- of servers
            await asyncio.sleep(0.01)


def _servers(db: Database) -> list[Any]:
    return [each.pair.server for each in _replicas(db)]


def _replicas(db: Database) -> Sequence[Replica]:
    replicas = db.migrations.engines.replicas
    assert replicas is not None
    return replicas.all


@pytest.mark.parametrize(
    "text_of_token",
    [
        "0-99999999999999999999",
        "0-1_0-2_0-3_77-5",
        "x",
        "",
        "0",
        "-1-0",
        "9" * 5000,
        "0-\xe9",
        "0-\u0661",
    ],
)
async def test_token_that_somebody_made_up_is_a_read_of_the_primary(
    pair: Followed, text_of_token: str
) -> None:
    """At most, and at once: nobody waits for what the primary has not written."""
    app = make_app(pair.database(replica_wait=1.0), pair.where)
    async with browser_of(app) as client:
        _key, token = await _write(client)
        pair.servers.catch_up()
        name = token.partition("=")[0]
        client.cookies.clear()
        made_up = f"{name}={text_of_token}".encode()
        for header in ({b"ormolu-position": made_up}, {b"cookie": b"ormolu-position-" + made_up}):
            answer = await client.get("/where", headers=header)
            assert answer.json() == 0
            assert "set-cookie" not in answer.headers


async def test_token_of_another_database_is_none(pair: Followed) -> None:
    """It has another name."""
    async with browser_of(make_app(pair.database(), pair.where)) as client:
        pair.servers.catch_up()
        headers = {"ormolu-position": "01234567=0-99999999999999999999, nothing"}
        assert (await client.get("/where", headers=headers)).json() == 1


async def test_answer_of_a_read_has_no_token(pair: Followed) -> None:
    """Nothing that a cache keeps has one."""
    async with browser_of(make_app(pair.database(), pair.where)) as client:
        answer = await client.get("/where")
        assert not {"set-cookie", "ormolu-position", "cache-control"} & set(answer.headers)


async def test_answer_of_a_read_that_has_written_is_private(pair: Followed) -> None:
    """A GET that counts its visitors in a unit of work of its own."""
    async with browser_of(make_app(pair.database(), pair.where)) as client:
        answer = await client.get("/visits")
        assert answer.headers["cache-control"] == "private"
        assert "Max-Age=20; Path=/; HttpOnly; SameSite=Lax" in answer.headers["set-cookie"]


async def test_replicas_show_in_no_answer_without_them(pair: Followed) -> None:
    """A database without replicas sends no token."""
    async with browser_of(make_app(pair.database(replicas=[]), pair.where)) as client:
        answer = await client.post("/by-hand", params={"content": "new"})
        assert not {"set-cookie", "ormolu-position"} & set(answer.headers)
        assert (await client.get("/where")).json() == 0


async def test_replica_that_dies_costs_no_answer(pair: Followed) -> None:
    """Its reads go to the primary at once, by hand and by a resource; it is read from again."""
    app = make_app(pair.database(), pair.where)
    async with browser_of(app) as client, browser_to(app) as other:
        key, _token = await _write(client)
        pair.servers.catch_up()
        await _until_place(other, 1)
        await asyncio.to_thread(pair.servers.replica.kill)
        try:
            for path in (f"/by-hand/{key}", f"/notes/{key}", "/notes?limit=1"):
                assert (await other.get(path)).status_code == 200
            assert (await other.get("/where")).json() == 0
        finally:
            await asyncio.to_thread(pair.servers.replica.start)
        await _until_place(other, 1)


async def test_replicas_serve_reads_without_the_primary(pair: Followed) -> None:
    """Those that have what the client has written; whoever writes is told to come again."""
    app = make_app(pair.database(), pair.where)
    async with browser_of(app) as client:
        key, token = await _write(client)
        pair.servers.catch_up()
        await _until_place(client, 1)
        await asyncio.to_thread(pair.servers.primary.kill)
        try:
            assert (await client.get(f"/by-hand/{key}")).json() == ["new", 1]
            assert (await client.get(f"/notes/{key}")).status_code == 200
            assert (await client.post("/by-hand", params={"content": "x"})).status_code == 503
            later = token.partition("-")[0] + "-99999999999999999999"
            client.cookies.clear()
            answer = await client.get("/where", headers={"ormolu-position": later})
            assert answer.status_code == 503
        finally:
            await asyncio.to_thread(pair.servers.primary.start)


async def test_new_connection_shows_that_a_server_has_gone_back(pair: Followed) -> None:
    """A standby that has crashed may have less than it had; its connections tell."""
    db = pair.database()
    async with db:
        replicas = db.migrations.engines.replicas
        assert replicas is not None
        (replica,) = replicas.all
        assert replica.position is not None
        falls = replica.falls
        replica.note({branch: number + 10**9 for branch, number in replica.position.items()})
        async with replica.pair.reader.connect():
            pass
        assert replica.falls == falls + 1


async def test_readiness_shows_lag(pair: Followed) -> None:
    """With `?verbose`; a replica that lags keeps nobody from serving."""
    async with browser_of(make_app(pair.database(), pair.where)) as client:
        found = (await client.get("/readyz?verbose")).json()["databases"][0]["replicas"]
        assert [set(each) for each in found] == [{"read", "lag"}]


async def test_metrics_show_lag(pair: Followed, told: Told) -> None:
    """Of a replica that answers, and for how many event loops each is read from."""
    db = pair.database(replicas=[pair.replica_url, _nowhere(pair)], replica_lag=0.05)
    app = make_app(db, pair.where)
    async with browser_of(app) as client, browser_to(app) as other:
        pair.servers.catch_up()
        await _until_place(other, 1)
        well, dead = (each.name for each in _replicas(db))
        # The primary writes to its log by itself, too: then the replica is behind for a moment.
        async with asyncio.timeout(20):
            while (found := told.read(db))["ormolu.replica.lag", well]:  # noqa: ASYNC110 -- of servers
                await asyncio.sleep(0.01)
        assert ("ormolu.replica.lag", dead) not in found
        assert found["ormolu.replica.readers", well] == 1
        assert found["ormolu.replica.readers", dead] == 0
        with pair.servers.paused():
            await _write(client)
            await _until_place(other, 0)
            found = told.read(db)
            assert found["ormolu.replica.lag", well] > 0.05
            assert found["ormolu.replica.readers", well] == 0


async def test_one_of_two_replicas_is_down(pair: Followed) -> None:
    """All reads go to the other one, from the start."""
    db = pair.database(replicas=[_nowhere(pair), pair.replica_url])
    async with browser_of(make_app(db, pair.where)) as client:
        pair.servers.catch_up()
        for _ in range(6):
            assert (await client.get("/where")).json() == 1


def _nowhere(pair: Followed) -> str:
    """Return the URL of a replica that is not there."""
    return make_url(pair.replica_url).set(port=1).render_as_string(hide_password=False)


@pytest.mark.long
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_replica_that_becomes_the_primary(
    driver: str, request: pytest.FixtureRequest
) -> None:
    """Writes go there, and nobody reads what is older than their own, nor from who was killed."""
    if (chosen := request.config.getoption("backend")) and driver not in chosen:
        pytest.skip(f"only {', '.join(chosen)}")
    with followed(driver) as found:
        ports = [make_url(each).port for each in (found.url, found.replica_url)]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        url = f"postgresql+{driver}://postgres@{hosts}/notes?target_session_attrs=read-write"
        db = Database(url, replicas=[found.replica_url], metadata=Base.metadata)
        async with browser_of(make_app(db, found.where)) as client:
            key, _token = await _write(client)
            found.servers.catch_up()
            await asyncio.to_thread(found.servers.primary.kill)
            assert isinstance(found.servers, PostgreSQLPair)
            await asyncio.to_thread(found.servers.promote)
            assert (await client.get(f"/by-hand/{key}")).status_code == 200
            async with asyncio.timeout(20):
                while (await client.post("/by-hand", params={"content": "x"})).is_error:
                    pass
            for number in range(20):
                made = await client.post("/by-hand", params={"content": str(number)})
                assert (await client.get(f"/by-hand/{made.json()}")).json() == [str(number), 0]
                assert (await client.get(f"/notes/{made.json()}")).json()["text"] == str(number)
