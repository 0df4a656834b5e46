"""Who may write nothing at all learns nothing of hidden rows by the database's keys."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from sqlalchemy import ForeignKey, MetaData, String, and_, false, or_, text
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Firm(Base):
    __tablename__ = "nothing_firms"
    id: Mapped[int] = mapped_column(primary_key=True)


class Agent(Base):
    __tablename__ = "nothing_agents"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(20), unique=True)
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("nothing_firms.id"))


SOME = Agent.id > 0
POLICIES = {
    "nothing": Policy(),
    "reads": Policy(visible=Agent.id < 0, writable=False),
    "false": Policy(visible=SOME, writable=false()),
    "both": Policy(visible=SOME, writable=and_(SOME, Agent.id.in_([]))),
    "either": Policy(visible=or_(false(), Agent.id.in_([])), writable=True),
    "text": Policy(visible=SOME, writable=and_(text("1 = 1"), false())),
}


async def some(x_role: Annotated[str, Header()]) -> Policy:
    return POLICIES[x_role]


@pytest.mark.long
async def test_all_are_answered_alike(database_url: str) -> None:
    """Whether the database has such a row or not; others hear of a clash as ever."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Agent, path="/agents", policy=some, writable={"id", "firm_id"}))
    POLICIES["all"] = Policy(visible=True)
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/agents", {"id": 9, "email": "e1"}), ("POST", "/agents", {"email": "new"}),
        ("POST", "/agents", {"email": "new", "firm_id": 77}),
        ("POST", "/agents?on_conflict=id", {"id": 9, "email": "e1"}),
        ("PUT", "/agents/8", {"email": "e1"}),
        ("POST", "/agents:batch", {"operations": [{"op": "create", "data": {"email": "e1"}}]}),
    ]  # fmt: skip
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Agent(id=1, email="e1"))
        for role in POLICIES.keys() - {"all"}:
            for method, path, body in bodies:
                answer = await client.request(method, path, json=body, headers={"X-Role": role})
                assert answer.status_code == 403, f"{role} {method} {path}: {answer.text}"
        clash = await client.post("/agents", json=bodies[0][2], headers={"X-Role": "all"})
        assert clash.status_code == 409
