"""SQL that SQLAlchemy compiles for each execution is kept by no plan: it may tell who asks."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ForeignKey, Integer, MetaData, String, and_, case, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, column_property, foreign, mapped_column, relationship
from sqlalchemy.sql.expression import ColumnElement

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

asking = {"user": 1}


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Who(ColumnElement[int]):
    """The number of the user, as text in the statement."""

    inherit_cache = False
    type = Integer()


@compiles(Who)
def _compile(*_: Any, **__: Any) -> str:
    return str(asking["user"])


class Zero(ColumnElement[int]):
    """The same for all, which its class says."""

    inherit_cache = True
    type = Integer()


@compiles(Zero)
def _compile_zero(*_: Any, **__: Any) -> str:
    return "0"


class Child(Base):
    __tablename__ = "uncached_children"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    parent_id: Mapped[int] = mapped_column(ForeignKey("uncached_parents.id"))


class Parent(Base):
    __tablename__ = "uncached_parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    children: Mapped[list[Child]] = relationship(
        primaryjoin=lambda: and_(Parent.id == foreign(Child.parent_id), Child.owner == Who()),
        viewonly=True, order_by=Child.id,
    )  # fmt: skip


class Paper(Base):
    __tablename__ = "uncached_papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int] = mapped_column()
    secret: Mapped[str] = mapped_column(String(9))
    seen = column_property(case((owner == Who(), secret), else_=literal_column("'-'")))
    nothing = column_property(owner + Zero())


class Same(Base):
    __tablename__ = "uncached_same"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column()
    nothing = column_property(number + Zero())


RESOURCES = [
    resource(Parent, path="/parents", includes={"children"}),
    resource(Paper, path="/papers", read_only={"secret"}, operations={"list", "read"}),
    resource(Same, path="/same"),
]


@pytest.mark.long
async def test_each_sees_their_own(twin_urls: tuple[str, str]) -> None:
    """In rows, includes, filters and sorts."""
    async with twins_of(twin_urls, Base.metadata, *RESOURCES) as twins:
        await twins.execute(
            "INSERT INTO uncached_parents (id) VALUES (1)",
            "INSERT INTO uncached_children (id, owner, parent_id) VALUES (1, 1, 1), (2, 2, 1)",
            "INSERT INTO uncached_papers (id, owner, secret) VALUES (1, 1, 'a'), (2, 2, 'b')",
            "INSERT INTO uncached_same (id, number) VALUES (1, 1)",
        )
        for user in (1, 2):
            asking["user"] = user
            found = await twins.past("GET", "/parents/1?include=children")
            assert [each["id"] for each in found.json()["children"]] == [user]
            assert len((await twins.past("GET", "/parents?children.id=1")).json()["items"]) == (
                user == 1
            )
            papers = (await twins.past("GET", "/papers?seen__ne=-&sort=seen")).json()["items"]
            assert [each["seen"] for each in papers] == [" ab"[user]]
        await twins.through("GET", "/same/1")
