"""Models of other bases: SQLModel, a plain DeclarativeBase, dataclasses, columns of other names."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    mapped_column,
    registry,
    relationship,
)
from sqlmodel import Field, SQLModel

from ormolu import Database, resource
from ormolu.query import _rows
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Hero(SQLModel, table=True):
    __tablename__ = "resource_heroes"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, max_length=10)


class Plain(DeclarativeBase):
    """Without the defaults of `Model`."""


class Part(Plain):
    __tablename__ = "parts"
    id: Mapped[int] = mapped_column("part_id", primary_key=True)
    name: Mapped[str] = mapped_column("part_name", String(10), unique=True)
    limit: Mapped[int] = mapped_column(default=5)
    whole_id: Mapped[int | None] = mapped_column("whole", ForeignKey("parts.part_id"))
    whole: Mapped[Part | None] = relationship(remote_side="Part.id", back_populates="parts")
    parts: Mapped[list[Part]] = relationship(back_populates="whole")


class Data(MappedAsDataclass, DeclarativeBase):
    """Whose constructor is a dataclass's."""


class Item(Data):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(10))
    schema: Mapped[str] = mapped_column(String(10), default="y")


class Shape(Data):
    __tablename__ = "shapes"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    kind: Mapped[str] = mapped_column(String(10), init=False)
    name: Mapped[str] = mapped_column(String(10))
    item_id: Mapped[int | None] = mapped_column(ForeignKey("items.id"))
    item: Mapped[Item | None] = relationship()
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "shape"}  # noqa: RUF012


class Circle(Shape):
    radius: Mapped[int | None] = mapped_column(default=3)
    __mapper_args__ = {"polymorphic_identity": "circle"}  # noqa: RUF012


class Imperative:
    """Mapped without a base."""


class Heirs(DeclarativeBase):
    """With a class in another's table."""


class Worker(Heirs):
    __tablename__ = "workers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(10))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("firms.id"))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "worker"}  # noqa: RUF012


class Boss(Worker):
    rank: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "boss"}  # noqa: RUF012


class Firm(Heirs):
    __tablename__ = "firms"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))
    bosses: Mapped[list[Boss]] = relationship(viewonly=True)


metadata = MetaData()
registry(metadata=metadata).map_imperatively(
    Imperative,
    Table(
        "imperatives", metadata,
        Column("id", Integer, primary_key=True), Column("name", String(10), nullable=False),
    ),
)  # fmt: skip

ROUTERS: list[Any] = [
    (resource(Hero), SQLModel.metadata),
    (resource(Part, includes={"whole", "parts"}), Plain.metadata),
    (resource(Item), Data.metadata),
    (resource(Circle, path="/circles"), Data.metadata),
    (resource(Imperative), metadata),
]


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(ROUTERS)))
async def test_any_mapped_class_is_served(number: int, database_url: str) -> None:
    """Create, change, list, read and delete."""
    router, tables = ROUTERS[number]
    app = FastAPI()
    Database(database_url, metadata=tables).attach(app)
    app.include_router(router)
    path = router.exposure.declaration.path
    async with client_of(app) as client:
        for name in ("a", "b"):
            assert (await client.post(path, json={"name": name})).status_code == 201
        changed = await client.patch(f"{path}/1", json={"name": "z"})
        assert (changed.status_code, changed.json()["name"]) == (200, "z")
        page = (await client.get(f"{path}?name__like=z%25&sort=-name")).json()
        assert [row["id"] for row in page["items"]] == [1]
        assert (await client.get(f"{path}/1")).json() == changed.json()
        assert (await client.delete(f"{path}/2")).status_code == 204
        assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"bosses.id__gt": 0}, [2]),
        ({"bosses": {"none": {}}}, [1]),
        ({"bosses": {"every": {"rank": 2}}}, [1]),
        ({"bosses": {"any": {"rank": 1}}}, [2]),
    ],
)
async def test_a_relation_may_lead_to_a_class_in_another_s_table(
    database_url: str, where: Any, found: list[int]
) -> None:
    """Filters see the rows of that class alone, in one FROM."""
    firms = resource(Firm, includes={"bosses"})
    async with Database(database_url, metadata=Heirs.metadata) as db, db.unit_of_work() as session:
        session.add_all([Firm(name="a"), Firm(name="b")])
        await session.flush()
        session.add_all([Worker(name="w", firm_id=1), Boss(name="v", firm_id=2, rank=1)])
        await session.flush()
        page = await firms.list(session, where=where, include=["bosses"])
        assert [row["id"] for row in page.items] == found
        assert [len(row["bosses"]) for row in page.items] == [number - 1 for number in found]


@pytest.mark.long
async def test_includes_of_many_rows_are_a_statement_for_each_part(
    database_url: str, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend takes so many parameters: more parents than that are asked for in parts."""
    monkeypatch.setattr(_rows, "_MAX_PARAMETERS", 3)
    router = ROUTERS[1][0]
    async with (
        Database(database_url, metadata=Plain.metadata) as db,
        db.unit_of_work() as session,
    ):
        for number in range(8):
            whole = number - 3 if number > 3 else None
            await router.create(session, {"name": f"p{number}", "whole_id": whole})
        statements.clear()
        page = await router.list(session, include=["parts"])
        found = {row["id"]: [part["id"] for part in row["parts"]] for row in page.items}
        assert found == {1: [5], 2: [6], 3: [7], 4: [8], 5: [], 6: [], 7: [], 8: []}
        assert len(statements) == 4


async def test_dataclasses_need_no_relations(database_url: str) -> None:
    """What a dataclass's constructor asks for, and a body cannot have, is not asked for."""
    app = FastAPI()
    Database(database_url, metadata=Data.metadata).attach(app)
    app.include_router(ROUTERS[3][0])
    async with client_of(app) as client:
        assert (await client.post("/circles", json={"name": "a"})).json() == {
            "id": 1, "kind": "circle", "name": "a", "item_id": None, "radius": 3,
        }  # fmt: skip


@pytest.mark.long
async def test_rows_may_refer_to_their_own_table(database_url: str) -> None:
    """Includes, filters and sorts along a relation to itself."""
    app = FastAPI()
    Database(database_url, metadata=Plain.metadata).attach(app)
    app.include_router(ROUTERS[1][0])
    async with client_of(app) as client:
        for name, whole in (("a", None), ("b", 1), ("c", 2)):
            answer = await client.post("/parts", json={"name": name, "whole_id": whole})
            assert answer.status_code == 201
        path = "/parts?include=whole.whole,parts.parts&sort=-whole.name&limit__eq=5"
        rows = (await client.get(path)).json()["items"]
        assert [row["name"] for row in rows] == ["a", "c", "b"]
        assert rows[1]["whole"]["whole"]["name"] == "a"
        assert rows[0]["parts"][0]["parts"][0]["name"] == "c"
        found = (await client.get("/parts?whole.whole.name=a")).json()["items"]
        assert [row["name"] for row in found] == ["c"]
        clash = await client.patch("/parts/2", json={"name": "a"})
        assert clash.json()["errors"][0]["pointer"] == "/name"
