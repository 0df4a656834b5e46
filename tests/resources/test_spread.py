"""How far one filter may lead over relations whose rows several others share."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, ForeignKey, MetaData, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


friends = Table(
    "spread_friends", Base.metadata,
    Column("one", ForeignKey("spread_people.id"), primary_key=True),
    Column("other", ForeignKey("spread_people.id"), primary_key=True),
)  # fmt: skip


class Person(Base):
    __tablename__ = "spread_people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("spread_people.id"))
    parent: Mapped[Person | None] = relationship(remote_side="Person.id", back_populates="children")
    children: Mapped[list[Person]] = relationship(back_populates="parent")
    friends: Mapped[list[Person]] = relationship(
        secondary=friends,
        primaryjoin=lambda: Person.id == friends.c.one,
        secondaryjoin=lambda: Person.id == friends.c.other,
    )


people = resource(Person, path="/people", includes={"friends", "children", "parent"})
DEEP = {"friends": {"any": {"friends": {"none": {"not": {"friends": {"every": {"id": 1}}}}}}}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("friends.friends.name", 200), ("friends.friends.friends.name", 422),
        ("children.children.children.children.name", 200),
        ("parent.parent.parent.parent.name", 200),
        ("children.friends.children.name", 200), ("children.friends.friends.children.name", 422),
        ("parent.children.parent.children.name", 200),
        ("parent.children.parent.children.friends.name", 422),
    ],
)  # fmt: skip
async def test_hops_that_multiply(database_url: str, path: str, status: int) -> None:
    """Two are enough; a tree, and relations to one, multiply nothing."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(people)
    async with client_of(app) as client:
        assert (await client.get(f"/people?{path}=a")).status_code == status
        deep = await client.post("/people:query", json={"where": DEEP})
        assert (deep.status_code, deep.json()["errors"][0]["type"]) == (422, "where_depth")
