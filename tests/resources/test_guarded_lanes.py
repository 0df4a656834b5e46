"""What lanes do for callers under a policy: nothing that it refuses is ever stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from sqlalchemy import MetaData, String, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, SessionDep, resource
from ormolu.lanes import Plan
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Parcel(Base):
    __tablename__ = "lane_parcels"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="open")
    code: Mapped[str] = mapped_column(String(20), unique=True)


async def own(x_tenant: Annotated[int, Header()]) -> Policy:
    mine = Parcel.tenant == x_tenant
    return Policy(visible=mine, writable=mine & (Parcel.state != "sealed"))


def app_of(url: str, *dependencies: Any) -> tuple[FastAPI, Database]:
    app, db = FastAPI(), Database(url, metadata=Base.metadata, pool_timeout=20.0)
    db.attach(app)
    parcels = resource(Parcel, path="/parcels", policy=own, writable={"id"})
    app.include_router(parcels, dependencies=[Depends(each) for each in dependencies])
    return app, db


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of the lanes' writes, by the plans that bind their values."""
    seen: list[str] = []
    bind = Plan.arguments

    def noting(plan: Plan, values: Any) -> list[Any]:
        seen.append(plan.text)
        return bind(plan, values)

    monkeypatch.setattr(Plan, "arguments", noting)
    return seen


async def stored(db: Database) -> list[tuple[int, int, str, str]]:
    async with db.unit_of_work(read_only=True) as session:
        rows = await session.scalars(select(Parcel).order_by(Parcel.id))
        return [(each.id, each.tenant, each.state, each.code) for each in rows]


async def at_once(
    client: httpx2.AsyncClient, requests: list[tuple[str, str, int, dict[str, Any]]]
) -> list[int]:
    waiting = [
        client.request(method, path, headers={"X-Tenant": str(tenant)}, json=body)
        for method, path, tenant, body in requests
    ]
    return [each.status_code for each in await asyncio.gather(*waiting)]


@pytest.mark.long
async def test_refused_rows_beside_others(database_url: str, plans: list[str]) -> None:
    """Of a crowd of creates those within the policy are stored, and no others; by lanes."""
    app, db = app_of(database_url)
    async with client_of(app) as client:
        rows: list[tuple[str, str, int, dict[str, Any]]] = [
            ("POST", "/parcels", n % 3, {"id": n, "tenant": n % 3 if n % 4 else 7, "code": f"c{n}"})
            for n in range(1, 41)
        ]
        statuses = await at_once(client, rows)
        assert statuses == [201 if n % 4 else 403 for n in range(1, 41)]
        assert [row[0] for row in await stored(db)] == [n for n in range(1, 41) if n % 4]
    assert sum(text.startswith("INSERT") for text in plans) >= 40


@pytest.mark.long
async def test_changes_that_leave_the_policy(database_url: str, plans: list[str]) -> None:
    """A row is not given away, nor a sealed one opened; what others change meanwhile is changed."""
    app, db = app_of(database_url)
    async with client_of(app) as client:
        for n in range(1, 9):
            state = "sealed" if n == 8 else "open"
            async with db.unit_of_work() as session:
                session.add(Parcel(id=n, tenant=1, state=state, code=f"c{n}"))
        changes: list[dict[str, Any]] = [
            {"tenant": 2}, {"state": "sealed"}, {"code": "x3"}, {"tenant": 1}, {"code": "x5"},
            {"tenant": 9, "code": "x6"}, {"state": "shut"}, {"state": "open"},
        ]  # fmt: skip
        requests = [("PATCH", f"/parcels/{n}", 1, body) for n, body in enumerate(changes, 1)]
        assert await at_once(client, requests) == [403, 403, 200, 200, 200, 403, 200, 403]
        others: list[tuple[str, str, int, dict[str, Any]]]
        others = [("PATCH", "/parcels/3", 2, {"code": "y"}), ("DELETE", "/parcels/4", 2, {}),
                  ("DELETE", "/parcels/8", 1, {}), ("DELETE", "/parcels/5", 1, {})]  # fmt: skip
        assert await at_once(client, others) == [404, 404, 403, 204]
    assert await stored(db) == [
        (1, 1, "open", "c1"), (2, 1, "open", "c2"), (3, 1, "open", "x3"), (4, 1, "open", "c4"),
        (6, 1, "open", "c6"), (7, 1, "shut", "c7"), (8, 1, "sealed", "c8"),
    ]  # fmt: skip
    assert any(text.startswith("UPDATE") for text in plans)


SEALING = {
    "sqlite": ["CREATE TRIGGER seal AFTER INSERT ON lane_parcels WHEN NEW.code LIKE 's%' "
               "BEGIN UPDATE lane_parcels SET state = 'sealed' WHERE id = NEW.id; END"],
    "postgresql": [
        "CREATE FUNCTION seal() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.state := 'sealed'; RETURN NEW; END $$",
        "CREATE TRIGGER seal BEFORE INSERT ON lane_parcels FOR EACH ROW "
        "WHEN (NEW.code LIKE 's%') EXECUTE FUNCTION seal()",
    ],
}  # fmt: skip


@pytest.mark.long
async def test_row_that_a_trigger_makes_another(database_url: str) -> None:
    """What is stored counts, not what was sent: it is taken back, and those beside it are not."""
    app, db = app_of(database_url)
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            connection = await session.connection()
            for statement in SEALING[connection.dialect.name]:
                await connection.exec_driver_sql(statement)
        codes = ["a", "s", "b", "s2", "c"]
        rows = [("POST", "/parcels", 1, {"id": n, "tenant": 1, "code": code})
                for n, code in enumerate(codes)]  # fmt: skip
        statuses = await at_once(client, rows)
        if db.engine.dialect.name == "postgresql":
            assert statuses == [201, 403, 201, 403, 201]
        assert {row[3] for row in await stored(db)} >= {"a", "b", "c"}
        refused = {code for code, status in zip(codes, statuses, strict=True) if status != 201}
        assert not refused & {row[3] for row in await stored(db)}


async def refuse_late(x_late: Annotated[str, Header()] = "") -> AsyncIterator[None]:
    """Look at a request once its route is done, and refuse it before the answer leaves."""
    yield
    if x_late:
        raise HTTPException(409)


@pytest.mark.long
@pytest.mark.parametrize("scope", ["function", "request"])
async def test_dependency_that_ends_later(database_url: str, scope: Any) -> None:
    """One that may still refuse the request keeps the write in its session, which undoes it."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    late = Depends(refuse_late, scope=scope)
    app.include_router(resource(Parcel, path="/parcels", policy=own), dependencies=[late])
    async with client_of(app) as client:
        body = {"tenant": 1, "code": "a"}
        made = await client.post("/parcels", json=body, headers={"X-Tenant": "1"})
        assert made.status_code == 201
        if scope == "function":
            headers = {"X-Tenant": "1", "X-Late": "yes"}
            body = {"tenant": 1, "code": "b"}
            late_one = await client.post("/parcels", json=body, headers=headers)
            assert late_one.status_code == 409
    assert [row[3] for row in await stored(db)] == ["a"]


async def note_visit(session: SessionDep, x_tenant: Annotated[int, Header()]) -> None:
    session.add(Parcel(tenant=x_tenant, code=f"visit {x_tenant}"))


@pytest.mark.long
async def test_own_writes_of_a_request(database_url: str) -> None:
    """What a dependency has added is stored with the row, or not at all if that is refused."""
    app, db = app_of(database_url, note_visit)
    async with client_of(app) as client:
        body = {"id": 50, "tenant": 1, "code": "a"}
        made = await client.post("/parcels", json=body, headers={"X-Tenant": "1"})
        assert made.status_code == 201
        body = {"id": 99, "tenant": 1, "code": "b"}
        refused = await client.post("/parcels", json=body, headers={"X-Tenant": "2"})
        assert refused.status_code == 403
    assert sorted(row[3] for row in await stored(db)) == ["a", "visit 1"]


async def settings(session: SessionDep, x_tenant: Annotated[int, Header()]) -> Policy:
    """Find what the policy compares with in the database, with the session of the request."""
    found = await session.scalar(select(Parcel.tenant).where(Parcel.tenant == x_tenant).limit(1))
    return Policy(visible=Parcel.tenant == found)


@pytest.mark.long
async def test_policy_that_reads_with_the_session(database_url: str) -> None:
    """To read the lane goes on; a write goes on in the session's transaction."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Parcel, path="/parcels", policy=settings, read_only={"tenant"}))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Parcel(id=n, tenant=n % 2, code=f"c{n}") for n in range(1, 5)])
        for tenant, shown in (("1", [1, 3]), ("0", [2, 4]), ("5", [])):
            found = await client.get("/parcels", headers={"X-Tenant": tenant})
            assert [each["id"] for each in found.json()["items"]] == shown
        path, headers = "/parcels/3", {"X-Tenant": "1"}
        changed = await client.patch(path, json={"code": "new"}, headers=headers)
        assert changed.status_code == 200
        other = await client.patch(path, json={"code": "x"}, headers={"X-Tenant": "0"})
        assert other.status_code == 404


async def test_what_a_dependency_says_is_answered_once(database_url: str) -> None:
    """Its parameters are checked as ever, and it is not asked again for a refusal."""
    asked: list[int] = []

    async def count(n: Annotated[int, Query(ge=1)]) -> None:
        asked.append(n)

    app, _ = app_of(database_url, count)
    async with client_of(app) as client:
        headers = {"X-Tenant": "1"}
        wrong = await client.get("/parcels/1?n=0", headers=headers)
        assert wrong.status_code == 422
        assert (await client.delete("/parcels/1?n=3", headers=headers)).status_code == 422
        assert (await client.get("/parcels/1?n=x")).status_code == 422
    assert asked == [3]
