"""Which classes a resource can be of, and the paths and operations that inheritance leaves."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    mapped_column,
    relationship,
)

from ormolu import ConfigurationError, Database, Model, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Mapped in every way."""

    __abstract__ = True
    metadata = MetaData()


class Vehicle(Base):
    """Abstract: each is a car or a lorry."""

    __tablename__ = "map_vehicles"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    wheels: Mapped[int]
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_abstract": True}  # noqa: RUF012


class Car(Vehicle):
    """In the same table."""

    doors: Mapped[int | None]
    __mapper_args__: Any = {"polymorphic_identity": "car"}  # noqa: RUF012


class Lorry(Vehicle):
    """In a table of its own."""

    __tablename__ = "map_lorries"
    id: Mapped[int] = mapped_column(ForeignKey("map_vehicles.id"), primary_key=True)
    load: Mapped[int]
    __mapper_args__: Any = {"polymorphic_identity": "lorry"}  # noqa: RUF012


class Shape(Base):
    """Without an identity of its own, which its column asks for."""

    __tablename__ = "map_shapes"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    __mapper_args__: Any = {"polymorphic_on": "kind"}  # noqa: RUF012


class Owner(Base):
    """Has a relation to what is no table."""

    __tablename__ = "map_owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[Total] = relationship(
        primaryjoin="Owner.id == Total.id", foreign_keys="Total.id", viewonly=True
    )


_totals = select(Owner.id, func.count().label("number")).group_by(Owner.id).subquery()


class Total(Base):
    """Mapped to a SELECT."""

    __table__ = _totals
    __mapper_args__: Any = {"primary_key": [_totals.c.id]}  # noqa: RUF012


class Both(Base):
    """Mapped to a join."""

    __table__ = Owner.__table__.join(
        Vehicle.__table__, Owner.__table__.c.id == Vehicle.__table__.c.id
    )
    id = column_property(Owner.__table__.c.id, Vehicle.__table__.c.id)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Total, "Total is mapped to a SELECT, not to a table. Make a view"),
        (Both, "Both is mapped to a join, not to a table. Make a view"),
        (Owner.__table__, r"class MapOwners\(Model\): __table__ = map_owners"),
        (Owner(), "it is an object. Give its class, Owner"),
        (aliased(Owner), "it is an alias. Give the class itself, Owner"),
        (_totals, "it is no mapped class"),
        (Base, r"resource\(Base\): it is no mapped class"),
        ("owners", r"resource\(str\): it is no mapped class"),
    ],
)
@pytest.mark.parametrize("path", [None, "/x"])
def test_what_is_no_mapped_table_is_refused(model: Any, message: str, path: str | None) -> None:
    """With a sentence that says what to write, whatever else is declared."""
    with pytest.raises(ConfigurationError, match=message):
        resource(model, path=path, operations={"list"})


def test_a_relation_to_what_is_no_table_is_refused() -> None:
    """Where it is included."""
    with pytest.raises(ConfigurationError, match="Total is mapped to a SELECT"):
        resource(Owner, includes={"total"})
    assert resource(Owner)


@pytest.mark.parametrize("is_many", [True, False])
def test_a_relation_to_an_alias_is_refused(*, is_many: bool) -> None:
    """Its SELECT says which rows are meant, and a filter would look at the others, too."""

    class Apart(DeclarativeBase):
        pass

    class Shelf(Apart):
        __tablename__ = "shelves"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Book(Apart):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
        is_lent: Mapped[bool]

    lent = aliased(Book, select(Book).where(Book.is_lent).subquery())
    Shelf.lent = relationship(
        lent, primaryjoin=lent.shelf_id == Shelf.id, viewonly=True, uselist=is_many
    )
    with pytest.raises(ConfigurationError, match=r"'lent' leads to an alias of Book.*primaryjoin"):
        resource(Shelf, includes={"lent"})
    with pytest.raises(ConfigurationError, match="alias of Book"):
        resource(Shelf, includes={"lent": resource(Book)})
    assert resource(Shelf)


def test_a_class_in_the_table_of_another_needs_a_path() -> None:
    """That of the table is the other's."""
    with pytest.raises(ConfigurationError, match=r"in the table of Vehicle.*path='/cars'"):
        resource(Car)
    assert resource(Lorry).exposure.declaration.path == "/map_lorries"


@pytest.mark.parametrize("model", [Vehicle, Shape])
def test_an_abstract_class_is_not_created(model: type[Any]) -> None:
    """Neither unasked nor asked."""
    declared = resource(model, path="/x").exposure.declaration.operations
    assert declared == {"list", "read", "update", "delete", "batch"}
    for operation in ("create", "replace"):
        with pytest.raises(ConfigurationError, match="is abstract: a row is of"):
            resource(model, operations={"list", operation})


@pytest.mark.long
async def test_rows_of_subclasses_through_an_abstract_class(database_url: str) -> None:
    """They are made as what they are, and listed, changed and deleted as their base, too."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata, pool_timeout=20.0).attach(app)
    for each in (resource(Vehicle), resource(Car, path="/cars"), resource(Lorry)):
        app.include_router(each)
    async with client_of(app) as client:
        assert (await client.post("/map_vehicles", json={"wheels": 4})).status_code == 405
        steps = {"operations": [{"op": "create", "data": {"wheels": 4}}]}
        assert (await client.post("/map_vehicles:batch", json=steps)).status_code == 422
        car = (await client.post("/cars", json={"wheels": 4, "doors": 3})).json()
        lorry = (await client.post("/map_lorries", json={"wheels": 6, "load": 9})).json()
        items = (await client.get("/map_vehicles?sort=id")).json()["items"]
        assert [each["kind"] for each in items] == ["car", "lorry"]
        changed = await client.patch(f"/map_vehicles/{lorry['id']}", json={"wheels": 8})
        assert changed.json() == {"id": lorry["id"], "kind": "lorry", "wheels": 8}
        assert (await client.get("/cars")).json()["items"] == [car]
        for row in (car, lorry):
            assert (await client.delete(f"/map_vehicles/{row['id']}")).status_code == 204
        assert (await client.get("/map_lorries")).json()["items"] == []


class Beast(Base):
    """Clients say of what kind it is."""

    __tablename__ = "map_beasts"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "beast"}  # noqa: RUF012


class Wolf(Beast):
    """In the same table."""

    __mapper_args__: Any = {"polymorphic_identity": "wolf"}  # noqa: RUF012


class Whale(Beast):
    """In a table of its own, which a row of the other does not fill."""

    __tablename__ = "map_whales"
    id: Mapped[int] = mapped_column(ForeignKey("map_beasts.id"), primary_key=True)
    __mapper_args__: Any = {"polymorphic_identity": "whale"}  # noqa: RUF012


async def test_a_kind_that_clients_choose_is_one_that_the_table_has(database_url: str) -> None:
    """Another would be a row that no class can be loaded for."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata, pool_timeout=20.0).attach(app)
    app.include_router(resource(Beast, writable={"kind"}))
    async with client_of(app) as client:
        assert (await client.post("/map_beasts", json={"kind": "wolf"})).status_code == 201
        for kind in ("whale", "zebra"):
            answer = await client.post("/map_beasts", json={"kind": kind})
            assert answer.json()["errors"][0]["msg"] == "Must be one of beast, wolf"
        assert (await client.delete("/map_beasts/1")).status_code == 204
