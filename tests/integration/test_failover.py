"""A primary that was demoted: connections to it are given up, new ones lead to the one of now."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from sqlalchemy import String, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, SessionDep, resource
from tests.fixtures.apps import client_of


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "failover_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


# What every new connection is told. A running one is told nothing, as by a server that was demoted.
DEMOTE = {
    "postgresql": 'ALTER DATABASE "{}" SET default_transaction_read_only = on',
    "mysql": "SET GLOBAL tx_read_only = 1",
}
PROMOTE = {
    "postgresql": 'ALTER DATABASE "{}" RESET default_transaction_read_only',
    "mysql": "SET GLOBAL tx_read_only = 0",
}


class Primary:
    """A server that takes no changes from connections that are opened while it is demoted."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self._name = (
            "mysql" if self.url.drivername.startswith(("mysql", "mariadb")) else "postgresql"
        )

    async def tell(self, what: dict[str, str]) -> None:
        engine = create_async_engine(self.url, isolation_level="AUTOCOMMIT")
        begin = "SET default_transaction_read_only = off"
        async with engine.connect() as connection:
            if self._name == "postgresql":
                await connection.execute(text(begin))
            await connection.execute(text(what[self._name].format(self.url.database)))
        await engine.dispose()


@pytest.fixture
async def primary(database_url: str) -> AsyncIterator[Primary]:
    found = Primary(database_url)
    yield found
    await found.tell(PROMOTE)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_several_hosts(database_url: str) -> None:
    """Where the first host is not there the next one serves, to read and to write."""
    url = make_url(database_url)
    place = f"{url.host}:{url.port}"
    there = url.render_as_string(hide_password=False)
    several = there.replace(place, f"{url.host}:1,{place}") + "?target_session_attrs=read-write"
    db = Database(several, metadata=Base.metadata)
    app = FastAPI()
    db.attach(app)
    app.include_router(resource(Note, path="/notes"))
    async with client_of(app) as client:
        assert (await client.post("/notes", json={"name": "new"})).status_code == 201
        assert len((await client.get("/notes")).json()["items"]) == 1
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
@pytest.mark.parametrize("way", ["/notes", "/hand"])
async def test_writes_go_on(database_url: str, primary: Primary, way: str) -> None:
    """One request is refused by each side that had a connection; the next ones are answered."""
    db = Database(database_url, metadata=Base.metadata)
    async with db:
        pass
    app = FastAPI()
    second = Database(database_url, metadata=Base.metadata, schema="ignore")
    second.attach(app)
    app.include_router(resource(Note, path="/notes"))

    @app.post("/hand")
    async def write(session: SessionDep) -> None:
        session.add(Note(name="by hand"))

    await primary.tell(DEMOTE)
    async with client_of(app) as client:
        for each in ("/notes", "/hand"):
            refused = await client.post(each, json={"name": "new"})
            assert (refused.status_code, refused.json()["code"]) == (503, "read_only_database")
        await primary.tell(PROMOTE)
        answers = [await client.post(way, json={"name": "new"}) for _ in range(3)]
        assert all(each.is_success for each in answers)
