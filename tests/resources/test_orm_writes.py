"""Models that the ORM writes: eager relations, concrete tables, columns that are no attributes."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import JSON, ForeignKey, MetaData, String, event
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from ormolu import ConfigurationError, Database, resource
from tests.fixtures.apps import client_of


def _app(url: str, metadata: MetaData, *resources: Any) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=metadata, pool_timeout=20.0).attach(app)
    for each in resources:
        app.include_router(each)
    return app


def _family(lazy: Any) -> tuple[type[Any], type[Any], type[Any]]:
    """Return classes with relations in both directions that are loaded at once."""

    class Base(DeclarativeBase):
        pass

    class Club(Base):
        __tablename__ = "eag_clubs"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))

    class Member(Base):
        __tablename__ = "eag_members"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        club_id: Mapped[int | None] = mapped_column(ForeignKey("eag_clubs.id"))
        club: Mapped[Any] = relationship("Club", lazy=lazy)
        badges: Mapped[list[Any]] = relationship(
            "Badge", lazy=lazy, cascade="all, delete-orphan", back_populates="member"
        )
        friend_id: Mapped[int | None] = mapped_column(ForeignKey("eag_members.id"))
        friends: Mapped[list[Any]] = relationship("Member", lazy=lazy, join_depth=1)

        @validates("name")
        def check(self, _key: str, value: str) -> str:
            return f"{value} of {len(self.badges)}"

    class Badge(Base):
        __tablename__ = "eag_badges"
        id: Mapped[int] = mapped_column(primary_key=True)
        member_id: Mapped[int] = mapped_column(ForeignKey("eag_members.id"))
        member: Mapped[Any] = relationship("Member", lazy=lazy, innerjoin=True)

    return Club, Member, Badge


@pytest.mark.long
@pytest.mark.parametrize("lazy", ["joined", "subquery", "selectin", "immediate", "select", "raise"])
async def test_rows_with_eager_relations_are_changed_and_deleted(
    database_url: str, lazy: str
) -> None:
    """Whatever loads them; a validator may read them, and those that depend go, too."""
    club, member, badge = _family(lazy)
    app = _app(database_url, club.metadata, *map(resource, (club, member, badge)))
    async with client_of(app) as client:
        await client.post("/eag_clubs", json={"name": "c"})
        sent = {"name": "ann", "club_id": 1}
        assert (await client.post("/eag_members", json=sent)).status_code == 201
        assert (await client.post("/eag_badges", json={"member_id": 1})).status_code == 201
        if lazy != "raise":
            # Which would not let the validator read it.
            changed = await client.patch("/eag_members/1", json={"name": "bo"})
            assert changed.json()["name"] == "bo of 1"
        assert (await client.delete("/eag_members/1")).status_code == 204
        assert (await client.get("/eag_badges")).json()["items"] == []


class Base(DeclarativeBase):
    """Concrete tables, and one with JSON that is listened to."""


class Tool(ConcreteBase, Base):
    """Reads the rows of its subclasses from their tables, too."""

    __tablename__ = "orm_tools"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    __mapper_args__: Any = {"polymorphic_identity": "tool", "concrete": True}  # noqa: RUF012


class Saw(Tool):
    """In a table of its own."""

    __tablename__ = "orm_saws"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    teeth: Mapped[int]
    __mapper_args__: Any = {"polymorphic_identity": "saw", "concrete": True}  # noqa: RUF012


class Sheet(Base):
    """Its JSON is listened to."""

    __tablename__ = "orm_sheets"
    id: Mapped[int] = mapped_column(primary_key=True)
    cells: Mapped[Any] = mapped_column(JSON)


@event.listens_for(Sheet.cells, "set", retval=True)
def _sorted(_sheet: Sheet, value: Any, _old: object, _initiator: object) -> Any:
    return sorted(value)


def test_a_class_that_reads_several_tables_is_refused() -> None:
    """Their keys are not unique together."""
    with pytest.raises(ConfigurationError, match="reads the rows of several tables"):
        resource(Tool)


@pytest.mark.long
async def test_rows_of_a_concrete_table(database_url: str) -> None:
    """They are read from a union of one, and locked in their own table."""
    async with client_of(_app(database_url, Base.metadata, resource(Saw))) as client:
        row = (await client.post("/orm_saws", json={"name": "a", "teeth": 5})).json()
        path = f"/orm_saws/{row['id']}"
        assert (await client.patch(path, json={"teeth": 6})).json()["teeth"] == 6
        assert (await client.get(path)).json()["teeth"] == 6
        assert (await client.delete(path)).status_code == 204


async def test_listeners_of_json_are_heard(database_url: str) -> None:
    """Whether or not something tracks changes in it."""
    async with client_of(_app(database_url, Base.metadata, resource(Sheet))) as client:
        assert (await client.post("/orm_sheets", json={"cells": [2, 1]})).json()["cells"] == [1, 2]
        changed = await client.patch("/orm_sheets/1", json={"cells": [4, 3]})
        assert changed.json()["cells"] == [3, 4]
