"""What one request failed to commit, no later request commits."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.reliability._bank import OPERATIONS, app_of, database_of
from tests.reliability._faults import Injector
from tests.reliability._observer import checked_out, observer_of


class Tree(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Node(Tree):
    """A row whose parent is only asked for at COMMIT."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("nodes.id", deferrable=True, initially="DEFERRED")
    )


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_deferred_violation_stays_with_its_request(
    backend: Backend, database_url: str
) -> None:
    """A COMMIT that the database refuses is a 409; the next COMMITs store only their own."""
    db = Database(database_url, metadata=Tree.metadata, pool_size=1, max_overflow=0)
    app = app_of(db)

    @app.post("/nodes", status_code=201)
    async def plant(session: SessionDep, parent_id: int | None = None) -> None:
        session.add(Node(parent_id=parent_id))

    async with client_of(app) as client, observer_of(backend, database_url) as observer:
        for number in range(1, 4):
            refused = await client.post("/nodes?parent_id=999")
            assert (refused.status_code, refused.json()["code"]) == (409, "foreign_key_violation")
            assert not checked_out(db)
            assert await observer.is_quiet()
            assert (await client.post("/nodes")).status_code == 201
            assert await observer.scalar("SELECT count(*) FROM nodes") == number


@pytest.mark.long
async def test_commit_that_never_arrived_stays_with_its_request(
    backend: Backend, database_url: str, injector: Injector
) -> None:
    """A refused COMMIT that left the transaction open stores nothing, then or later."""
    db, create = database_of(database_url), OPERATIONS[0]
    async with client_of(app_of(db)) as client, observer_of(backend, database_url) as observer:
        await create.send(client)
        with injector.armed("coded", "before", 999):
            await create.send(client)
        commit = injector.calls
        await observer.seed()
        state = await observer.state()
        for number in range(3):
            with injector.armed("coded", "before", commit):
                refused = await create.send(client)
            assert "commit" in injector.fired.lower()
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            state = state.with_user(f"n{number}")
            assert (await client.post(f"/users/?name=n{number}")).status_code == 201
            assert await observer.state() == state
