"""Versions that the server, a trigger or a function of the program's makes are tags as others."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import FetchedValue, Integer, MetaData, String, Uuid, event, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class System(Model):
    """PostgreSQL's own."""

    metadata = MetaData()
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    mark: Mapped[int] = mapped_column("xmin", Integer, system=True, server_default=FetchedValue())
    __mapper_args__: Any = {  # noqa: RUF012 -- SQLAlchemy's own form
        "version_id_col": mark,
        "version_id_generator": False,
    }


class Generated(Model):
    """Of the program's."""

    metadata = MetaData()
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    mark: Mapped[uuid.UUID] = mapped_column(Uuid)
    __mapper_args__: Any = {  # noqa: RUF012 -- SQLAlchemy's own form
        "version_id_col": mark,
        "version_id_generator": lambda _: uuid.uuid4(),
    }


class Triggered(Model):
    """Of a trigger's."""

    metadata = MetaData()
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    mark: Mapped[int] = mapped_column(server_default=text("1"), server_onupdate=FetchedValue())
    __mapper_args__: Any = {  # noqa: RUF012 -- SQLAlchemy's own form
        "version_id_col": mark,
        "version_id_generator": False,
    }


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER t AFTER UPDATE OF name ON entries"
        " BEGIN UPDATE entries SET mark = OLD.mark + 1 WHERE id = OLD.id; END"
    ],
    "postgresql": [
        "CREATE FUNCTION f() RETURNS trigger AS"
        " 'BEGIN NEW.mark := OLD.mark + 1; RETURN NEW; END' LANGUAGE plpgsql",
        "CREATE TRIGGER t BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION f()",
    ],
    "mariadb": [
        "CREATE TRIGGER t BEFORE UPDATE ON entries FOR EACH ROW SET NEW.mark = OLD.mark + 1"
    ],
}


@event.listens_for(Triggered.__table__, "after_create")
def make_trigger(_table: Any, connection: sa.Connection, **_options: Any) -> None:
    for statement in TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def serve(url: str, model: Any) -> Any:
    app = FastAPI()
    Database(url, metadata=model.metadata).attach(app)
    app.include_router(resource(model))
    return client_of(app)


async def check_tags(client: httpx2.AsyncClient) -> None:
    """Check that each change has a new tag, which is compared before the next one."""
    created = await client.post("/entries", json={"name": "a"})
    first = created.headers["etag"]
    assert (await client.get("/entries/1")).headers["etag"] == first
    changed = await client.patch("/entries/1", json={"name": "b"}, headers={"If-Match": first})
    second = changed.headers["etag"]
    assert (changed.status_code, second != first) == (200, True)
    assert (await client.get("/entries/1")).headers["etag"] == second
    stale = {"If-Match": first}
    assert (await client.patch("/entries/1", json={"name": "c"}, headers=stale)).status_code == 412
    assert (await client.delete("/entries/1", headers=stale)).status_code == 412
    fresh = {"If-Match": second}
    assert (await client.delete("/entries/1", headers=fresh)).status_code == 204


@pytest.mark.parametrize("model", [Generated, Triggered])
async def test_versions_are_compared_whoever_makes_them(database_url: str, model: Any) -> None:
    """On every backend."""
    async with serve(database_url, model) as client:
        await check_tags(client)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_system_column_is_a_version(database_url: str) -> None:
    """PostgreSQL's xmin."""
    async with serve(database_url, System) as client:
        await check_tags(client)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_system_column_has_no_order(database_url: str) -> None:
    """It is found by its value, and no list by another question is a server error."""
    async with serve(database_url, System) as client:
        mark = (await client.post("/entries", json={"name": "a"})).json()["mark"]
        assert len((await client.get(f"/entries?mark={mark}")).json()["items"]) == 1
        for query in ("sort=mark", "sort=-mark", "mark__lt=5", "mark__between=1&mark__between=2"):
            assert (await client.get(f"/entries?{query}")).status_code == 422


class Counter(Model):
    """Of PostgreSQL's type, which counts beyond 31 bits; a column that is like a system one."""

    metadata = MetaData()
    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    mark: Mapped[int] = mapped_column(Integer, system=True, server_default=FetchedValue())
    __mapper_args__: Any = {  # noqa: RUF012 -- SQLAlchemy's own form
        "version_id_col": mark,
        "version_id_generator": False,
    }


COUNTING = (
    "ALTER TABLE counters ADD COLUMN mark xid NOT NULL DEFAULT '3000000000'::xid",
    "CREATE FUNCTION count_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "NEW.mark := (OLD.mark::text::bigint + 1)::text::xid; RETURN NEW; END $$",
    "CREATE TRIGGER count_on BEFORE UPDATE ON counters FOR EACH ROW EXECUTE FUNCTION count_on()",
)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_system_column_has_32_bits(database_url: str) -> None:
    """A server that has counted two thousand million transactions shows and compares them."""
    app = FastAPI()
    db = Database(database_url, metadata=Counter.metadata)
    db.attach(app)
    app.include_router(resource(Counter))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            for statement in COUNTING:
                await (await session.connection()).exec_driver_sql(statement)
        made = await client.post("/counters", json={"name": "a"})
        assert (made.headers["etag"], made.json()["mark"]) == ('"3000000000"', 3_000_000_000)
        fresh, stale = {"If-Match": '"3000000000"'}, {"If-Match": '"3000000007"'}
        for _ in range(2):
            read = await client.get("/counters/1", headers={"If-None-Match": '"3000000000"'})
            assert read.status_code == 304
        changed = await client.patch("/counters/1", json={"name": "b"}, headers=fresh)
        assert (changed.status_code, changed.headers["etag"]) == (200, '"3000000001"')
        again = await client.patch("/counters/1", json={"name": "c"})
        assert (again.status_code, again.headers["etag"]) == (200, '"3000000002"')
        found = await client.get("/counters?mark=3000000002&mark__in=3000000002")
        assert [each["id"] for each in found.json()["items"]] == [1]
        for headers in (fresh, stale):
            refused = await client.patch("/counters/1", json={"name": "d"}, headers=headers)
            assert refused.status_code == 412
            assert (await client.delete("/counters/1", headers=headers)).status_code == 412
        last = {"If-Match": '"3000000002"'}
        assert (await client.delete("/counters/1", headers=last)).status_code == 204
