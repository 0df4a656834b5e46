"""How far one filter may lead over relations whose rows several others share."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, ForeignKey, MetaData, Table, and_, or_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote

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

    team: Mapped[int | None]
    mates: Mapped[list[Person]] = relationship(
        primaryjoin=lambda: Person.team == foreign(remote(Person.team)),
        viewonly=True, uselist=True,
    )  # fmt: skip
    others: Mapped[list[Person]] = relationship(
        primaryjoin=lambda: Person.id != foreign(remote(Person.parent_id)),
        viewonly=True, uselist=True,
    )  # fmt: skip
    kin: Mapped[list[Person]] = relationship(
        primaryjoin=lambda: or_(
            Person.id == foreign(remote(Person.parent_id)), remote(Person.name) == "all"
        ),
        viewonly=True, uselist=True,
    )  # fmt: skip
    named: Mapped[list[Person]] = relationship(
        primaryjoin=lambda: and_(
            Person.id == foreign(remote(Person.parent_id)), remote(Person.name) != "x"
        ),
        viewonly=True,
    )


INCLUDES = {"friends", "children", "parent", "mates", "others", "kin", "named"}
people = resource(Person, path="/people", includes=INCLUDES)
DEEP = {"friends": {"any": {"friends": {"none": {"not": {"friends": {"every": {"id": 1}}}}}}}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("friends.friends.name", 200), ("friends.friends.friends.name", 422),
        ("children.children.children.children.name", 200),
        ("parent.parent.parent.parent.name", 200),
        ("children.friends.children.name", 200), ("children.friends.friends.children.name", 422),
        ("parent.children.parent.children.name", 200), ("named.named.named.named.name", 200),
        ("mates.mates.name", 200), ("mates.mates.mates.name", 422),
        ("others.others.others.name", 422), ("kin.kin.kin.name", 422),
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


FAR = "friends.friends.name"
TERM = {"friends": {"any": {"friends": {"any": {"name": "a"}}}}}
# One pair each, however many terms ask for the same rows.
INNER = {"friends": {"any": {"or": [{"name": str(number)} for number in range(40)]}}}
WIDE = {"friends": {"any": {"or": [{"friends": {"any": {"name": "a"}}}] * 4}}}


@pytest.mark.long
@pytest.mark.parametrize(
    ("params", "status"),
    [
        ([(FAR, "a"), (f"{FAR}__ne", "b"), ("friends.mates.name", "c")], 200),
        (
            [(FAR, "a"), (f"{FAR}__ne", "b"), ("friends.mates.name", "c"),
             ("mates.friends.name", "d")], 422,
        ),
        ([("where", {"or": [TERM] * 3})], 200), ([("where", {"or": [TERM] * 4})], 422),
        ([("where", {"not": {"or": [TERM] * 12}})], 422), ([("where", WIDE)], 422),
        ([("where", {"or": [TERM, TERM]}), (FAR, "a")], 200),
        ([("where", {"or": [TERM, TERM, TERM]}), (FAR, "a")], 422),
        ([("where", {"friends": {"any": INNER}})], 200),
        ([("where", {"or": [{"friends": {"any": {"name": "a"}}}] * 20})], 200),
        ([("where", {"or": [{"children": {"any": {"children": {"any": {"id": 1}}}}}] * 12})], 200),
    ],
)  # fmt: skip
async def test_pairs_of_hops_add_up(
    database_url: str, params: list[tuple[str, Any]], status: int
) -> None:
    """Over all parameters: what one may do, twelve would do twelve times. In a body, too."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(people)
    sent = [(key, json.dumps(each) if key == "where" else each) for key, each in params]
    async with client_of(app) as client:
        answers = [await client.get("/people", params=sent)]
        answers += [await client.post("/people:query", json=dict(params))]
    for answer in answers:
        assert answer.status_code == status, answer.text
        if status == 422:
            error = answer.json()["errors"][0]
            assert error["type"] == "where_spreads"
            assert "more than 3 times in all; put what is asked of" in error["msg"]
