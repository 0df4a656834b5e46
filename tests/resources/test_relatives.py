"""Policies and hidden columns hold for the rows of base classes and subclasses, on every hop."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, MetaData, String, exists, or_, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    mapped_column,
    relationship,
    synonym,
)

from ormolu import ConfigurationError, Database, Model, Policy, UsageError, resource
from ormolu.resources import Resource
from ormolu.resources.routes._applications import find_resources
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Classes:
    """A garage and its vehicles, of three levels, in a registry of their own."""

    def __init__(self, *, is_joined: bool) -> None:
        class Base(DeclarativeBase):
            pass

        class Garage(Base):
            __tablename__ = "garages"
            id: Mapped[int] = mapped_column(primary_key=True)
            vehicles: Mapped[list[Any]] = relationship("Vehicle", back_populates="garage")
            cars: Mapped[list[Any]] = relationship("Car", viewonly=True)
            taxis: Mapped[list[Any]] = relationship("Taxi", viewonly=True)
            best_id: Mapped[int | None]
            best: Mapped[Any] = relationship(
                "Taxi", primaryjoin="foreign(Garage.best_id) == Vehicle.id", viewonly=True
            )

        class Vehicle(Base):
            __tablename__ = "vehicles"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(String(9))
            tenant: Mapped[int | None]
            note: Mapped[str | None] = mapped_column(String(9))
            plate: Mapped[str] = mapped_column(String(9), unique=True)
            garage_id: Mapped[int] = mapped_column(ForeignKey("garages.id"))
            garage: Mapped[Any] = relationship("Garage", back_populates="vehicles")
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}  # noqa: RUF012

        class Car(Vehicle):
            if is_joined:
                __tablename__ = "cars"
                id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
            doors: Mapped[int | None]
            __mapper_args__ = {"polymorphic_identity": "car"}  # noqa: RUF012

        class Taxi(Car):
            if is_joined:
                __tablename__ = "taxis"
                id: Mapped[int] = mapped_column(ForeignKey("cars.id"), primary_key=True)
            sign: Mapped[str | None] = mapped_column(String(9))
            __mapper_args__ = {"polymorphic_identity": "taxi"}  # noqa: RUF012

        self.base, self.garage, self.vehicle, self.car, self.taxi = (
            Base, Garage, Vehicle, Car, Taxi,
        )  # fmt: skip

    @property
    def all(self) -> tuple[Any, ...]:
        return self.vehicle, self.car, self.taxi


@pytest.fixture(params=[False, True], ids=["single", "joined"])
def classes(request: pytest.FixtureRequest) -> Classes:
    """Classes in one table, or in one each."""
    return Classes(is_joined=request.param)


async def served(database_url: str, metadata: MetaData, *routers: Resource) -> Any:
    db, app = Database(database_url, metadata=metadata), FastAPI()
    db.attach(app)
    for each in routers:
        app.include_router(each)
    return db, client_of(app)


async def _stored(db: Database, classes: Classes) -> None:
    """Store a row of each class for each of two tenants, and one of nobody."""
    async with db.unit_of_work() as session:
        session.add(classes.garage(id=1))
        await session.flush()
        for place, model in enumerate(classes.all):
            for tenant in (1, 2, None):
                key = place * 3 + (tenant or 0) + 1
                values = {"tenant": tenant, "note": "secret", "plate": f"p{key}", "garage_id": 1}
                session.add(model(id=key, **values))


async def _keys(client: httpx2.AsyncClient, path: str, name: str) -> set[int]:
    (garage,) = (await client.get(path)).json()["items"]
    return {row["id"] for row in garage[name]}


@pytest.mark.long
@pytest.mark.parametrize("is_last", [False, True])
async def test_policy_of_a_base_holds_for_relations_to_subclasses(
    database_url: str, classes: Classes, *, is_last: bool
) -> None:
    """In includes, filters and counts, with its hidden columns, whichever is declared first."""

    def own() -> Policy:
        return Policy(visible=classes.vehicle.tenant == 1, hidden={"garage_id"})

    made: list[Any] = [
        lambda: resource(classes.vehicle, policy=own, hidden={"note"}),
        lambda: resource(classes.garage, includes={"cars", "taxis"}),
    ]
    routers = [make() for make in (reversed(made) if is_last else made)]
    db, opened = await served(database_url, classes.base.metadata, *routers)
    async with opened as client:
        await _stored(db, classes)
        assert await _keys(client, "/garages?include=cars", "cars") == {5, 8}
        assert await _keys(client, "/garages?include=taxis", "taxis") == {8}
        (garage,) = (await client.get("/garages?include=taxis")).json()["items"]
        assert not {"note", "garage_id"} & set(garage["taxis"][0])
        for query, total in (("cars.tenant=1", 1), ("cars.tenant=2", 0), ("taxis.id=7", 0)):
            answer = await client.get(f"/garages?{query}&count=exact")
            assert answer.json()["total"] == total, query
        for query in ("taxis.note=secret", "include=taxis&fields=id,taxis.note"):
            assert (await client.get(f"/garages?{query}")).status_code == 422
        paths = (await client.get("/openapi.json")).text
        assert '"note"' not in paths


@pytest.mark.long
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("is_of_base", [True, False])
async def test_policy_holds_for_the_one_row_of_a_subclass(
    database_url: str, classes: Classes, *, is_of_base: bool
) -> None:
    """In an include, a filter and a sort over a relation to one row, without a product of rows."""

    def own() -> Policy:
        return Policy(visible=classes.vehicle.tenant == 1)

    guarded = classes.vehicle if is_of_base else classes.taxi
    routers = [resource(guarded, path="/guarded", policy=own),
               resource(classes.garage, includes={"best"})]  # fmt: skip
    db, opened = await served(database_url, classes.base.metadata, *routers)
    async with opened as client:
        await _stored(db, classes)
        async with db.unit_of_work() as session:
            session.add_all(classes.garage(id=key, best_id=key) for key in (8, 9))
        items = (await client.get("/garages?include=best&sort=best.tenant,id")).json()["items"]
        assert [(row["id"], row["best"] and row["best"]["id"]) for row in items] == [
            (8, 8), (1, None), (9, None),
        ]  # fmt: skip
        found = (await client.get("/garages?best.plate__startswith=p")).json()["items"]
        assert [row["id"] for row in found] == [8]


@pytest.mark.long
async def test_policy_of_a_subclass_holds_for_relations_to_its_base(
    database_url: str, classes: Classes
) -> None:
    """Rows of other classes are shown as they are where nothing is said of them."""

    def own() -> Policy:
        return Policy(visible=classes.car.tenant == 1)

    garages = resource(classes.garage, includes={"vehicles"})
    cars = resource(classes.car, path="/cars", policy=own, hidden={"note"})
    db, opened = await served(database_url, classes.base.metadata, garages, cars)
    async with opened as client:
        await _stored(db, classes)
        assert await _keys(client, "/garages?include=vehicles", "vehicles") == {1, 2, 3, 5, 8}
        for query, total in (("id=6", 0), ("id=5", 1), ("tenant__isnull=true", 1)):
            answer = await client.get(f"/garages?vehicles.{query}&count=exact")
            assert answer.json()["total"] == total, query
        assert (await client.get("/garages?vehicles.note=secret")).status_code == 422


def test_relation_to_an_open_resource_of_a_guarded_family_is_refused(classes: Classes) -> None:
    """Until it is named, in whatever order they are declared."""
    cars = resource(classes.car, path="/cars")
    guarded = resource(classes.vehicle, policy=Policy)
    unnamed = resource(classes.garage, includes={"cars"})
    with pytest.raises(ConfigurationError, match="/vehicles has a policy for Vehicle, but"):
        _ = unnamed.exposure.reached
    named = resource(classes.garage, includes={"cars": cars})
    assert named.exposure.targets["cars"].declaration is cars.declaration
    del guarded


def test_policy_that_makes_a_relation_uncertain_is_refused(classes: Classes) -> None:
    """As long as it is there."""
    cars = resource(classes.car, path="/cars")
    garages = resource(classes.garage, includes={"cars"})
    assert garages.exposure.targets["cars"].declaration is cars.declaration
    taxis = resource(classes.taxi, path="/taxis", policy=Policy)
    with pytest.raises(ConfigurationError, match=r"includes=\{'cars': the_resource\}"):
        _ = garages.exposure.reached
    del taxis


@pytest.mark.long
async def test_application_with_an_uncertain_relation_does_not_start(
    database_url: str, classes: Classes
) -> None:
    """With the sentence that says what to write; without a lifespan its requests are errors."""
    routers = [resource(classes.car, path="/cars"), resource(classes.vehicle, policy=Policy),
               resource(classes.garage, includes={"cars"})]  # fmt: skip
    _, opened = await served(database_url, classes.base.metadata, *routers)
    with pytest.raises(ConfigurationError, match="/vehicles has a policy for Vehicle, but"):
        async with opened:
            pass


def test_two_resources_of_a_relative_are_refused(classes: Classes) -> None:
    """Nobody guesses which of their policies counts."""
    both = [resource(classes.vehicle, path=f"/v{n}", policy=Policy) for n in range(2)]
    garages = resource(classes.garage, includes={"taxis"})
    with pytest.raises(ConfigurationError, match="/v0 and /v1 guard Vehicle"):
        _ = garages.exposure.reached
    assert len(both) == 2


def test_resource_of_another_class_is_no_target(classes: Classes) -> None:
    """What is named must show the rows that the relation leads to."""
    vehicles = resource(classes.vehicle)
    with pytest.raises(ConfigurationError, match="leads to Taxi, and /vehicles shows no rows"):
        resource(classes.garage, includes={"taxis": vehicles})


def test_concrete_subclass_needs_a_resource_of_its_own() -> None:
    """A policy on the base's table says nothing of another table; its hidden columns do."""

    class Base(DeclarativeBase):
        pass

    class Shed(Base):
        __tablename__ = "sheds"
        id: Mapped[int] = mapped_column(primary_key=True)
        bikes: Mapped[list[Any]] = relationship("Bike")

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        note: Mapped[str | None]

    class Bike(Thing):
        __tablename__ = "bikes"
        id: Mapped[int] = mapped_column(primary_key=True)
        note: Mapped[str | None]
        shed_id: Mapped[int] = mapped_column(ForeignKey("sheds.id"))
        __mapper_args__ = {"concrete": True}  # noqa: RUF012

    sheds = resource(Shed, includes={"bikes"})
    guarding, hiding = FastAPI(), FastAPI()
    for app, things in (
        (guarding, resource(Thing, policy=Policy)),
        (hiding, resource(Thing, path="/other", hidden={"note"})),
    ):
        Database("sqlite://", metadata=Base.metadata).attach(app)
        app.include_router(things)
        app.include_router(sheds)
    with pytest.raises(ConfigurationError, match="has tables of its own"):
        find_resources(guarding)
    shown = find_resources(hiding).registry.exposure(sheds.declaration)
    assert "note" not in shown.targets["bikes"].declaration.readable
    assert [each.declaration.path for each in shown.reached] == ["/sheds", "/bikes", "/other"]


@pytest.mark.long
@pytest.mark.parametrize("is_one_registry", [True, False])
async def test_policies_hold_across_metadata(database_url: str, *, is_one_registry: bool) -> None:
    """Whatever MetaData or registry a class is of, it is shown as its resource declares it."""

    class One(DeclarativeBase):
        pass

    class Root(DeclarativeBase):
        pass

    class Two(One if is_one_registry else Root):  # type: ignore[misc]
        __abstract__ = True
        metadata = MetaData()

    class Writer(Two):
        __tablename__ = "writers"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant: Mapped[int]
        note: Mapped[str] = mapped_column(String(9))

    class Book(One):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        writer_id: Mapped[int] = mapped_column(ForeignKey(Writer.id))
        writer: Mapped[Any] = relationship(Writer)

    def own() -> Policy:
        return Policy(visible=Writer.tenant == 1)

    routers = resource(Book, includes={"writer"}), resource(Writer, policy=own, hidden={"note"})
    db, opened = await served(database_url, Writer.metadata, *routers)
    async with opened as client:
        async with db.unit_of_work() as session:
            await (await session.connection()).run_sync(One.metadata.create_all)
            session.add_all(Writer(id=key, tenant=key, note="x") for key in (1, 2))
            await session.flush()
            session.add_all(Book(id=key, writer_id=key) for key in (1, 2))
        items = (await client.get("/books?include=writer")).json()["items"]
        assert [row["writer"] for row in items] == [{"id": 1, "tenant": 1}, None]
        assert (await client.get("/books?writer.tenant=2")).json()["items"] == []


def _conditions(classes: Classes) -> dict[str, Any]:
    """Return ways to write that a vehicle is of the first tenant, and so is its garage."""
    vehicle, garage, car = classes.vehicle, classes.garage, classes.car
    other, other_car = aliased(vehicle), aliased(car)
    return {
        "base": vehicle.tenant == 1,
        "own": classes.taxi.tenant == 1,
        "between": car.tenant == 1,
        "either": or_(vehicle.tenant == 1, car.doors == 99),
        "relation": vehicle.garage.has(garage.id == 1) & (vehicle.tenant == 1),
        "exists": exists().where(garage.id == vehicle.garage_id, vehicle.tenant == 1),
        "self": vehicle.id.in_(select(other.id).where(other.tenant == 1)),
        "of_type": (vehicle.tenant == 1) & exists(
            select(garage.id).where(
                garage.id == vehicle.garage_id,
                garage.vehicles.of_type(other_car).any(other_car.tenant == 1),
            )
        ),
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("way", list(_conditions(Classes(is_joined=False))))
async def test_policy_on_a_base_s_column_works_in_every_statement(
    database_url: str, classes: Classes, way: str
) -> None:
    """A row that is not to be seen is not there, whatever is asked of it."""
    condition = _conditions(classes)[way]

    def own() -> Policy:
        return Policy(visible=condition, assign={"tenant": 1})

    routers = [resource(classes.taxi, path="/taxis", policy=own, writable={"id"}),
               resource(classes.garage, includes={"taxis"})]  # fmt: skip
    db, opened = await served(database_url, classes.base.metadata, *routers)
    async with opened as client:
        await _stored(db, classes)
        page = (await client.get("/taxis?count=estimated&sort=-plate")).json()
        assert ([row["id"] for row in page["items"]], page["total"]) == ([8], 1)
        assert await _keys(client, "/garages?include=taxis", "taxis") == {8}
        for hidden in (7, 9, 1, 5, 99):
            for method, body in (("GET", None), ("PATCH", {"sign": "x"}), ("PATCH", {}),
                                 ("DELETE", None)):  # fmt: skip
                answer = await client.request(method, f"/taxis/{hidden}", json=body)
                assert answer.status_code == 404, f"{method} {hidden}"
        row = {"id": 52, "plate": "p8", "garage_id": 1, "sign": "old"}
        answer = await client.post("/taxis?on_conflict=plate", json=row)
        assert (answer.status_code, answer.json()["sign"]) == (200, "old")
        await _write(client)


async def _write(client: httpx2.AsyncClient) -> None:
    row = {"id": 50, "plate": "new", "garage_id": 1}
    made = await client.post("/taxis", json=row)
    assert (made.status_code, made.json()["tenant"]) == (201, 1)
    place = made.headers["Location"]
    assert (await client.patch(place, json={"sign": "on"})).json()["sign"] == "on"
    taken = await client.post("/taxis?on_conflict=plate", json=row | {"id": 51, "plate": "p9"})
    assert taken.status_code == 409
    key = made.json()["id"]
    steps = [{"op": "update", "id": key, "data": {"sign": "off"}}, {"op": "delete", "id": key}]
    done = await client.post("/taxis:batch", json={"operations": steps})
    assert [each["status"] for each in done.json()["results"]] == [200, 204]


async def test_policy_over_another_table_says_what_to_write(classes: Classes) -> None:
    """It would make a product of all rows; nothing is answered instead."""
    taxis = resource(classes.taxi, path="/taxis", policy=Policy)
    wide = Policy(visible=classes.garage.id == 1)
    db = Database("sqlite://", metadata=classes.base.metadata)
    async with db, db.unit_of_work() as session:
        with pytest.raises(UsageError, match=r"Write that as exists\(\), any\(\) or has\(\)"):
            await taxis.list(session, policies={classes.taxi: wide})


class Ground(DeclarativeBase):
    """Tables of their own."""


class Parcel(Ground):
    __tablename__ = "relative_parcels"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    town: Mapped[str] = mapped_column(String(9))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012


class Express(Parcel):
    __mapper_args__ = {"polymorphic_identity": "express"}  # noqa: RUF012


class Receipt(Ground):
    __tablename__ = "relative_receipts"
    id: Mapped[int] = mapped_column(primary_key=True)
    parcel_id: Mapped[int] = mapped_column(ForeignKey("relative_parcels.id"))
    parcel: Mapped[Parcel] = relationship()


async def in_express_towns() -> Policy:
    return Policy(visible=Parcel.town.in_(select(Express.town)))


@pytest.mark.long
async def test_a_policy_over_a_subclass_is_the_same_behind_a_relation_to_one(
    database_url: str,
) -> None:
    """The kinds of the rows that a subquery in it looks at are kept."""
    parcels = resource(Parcel, policy=in_express_towns)
    receipts = resource(Receipt, includes={"parcel": parcels})
    db, opened = await served(database_url, Ground.metadata, parcels, receipts)
    async with opened as client:
        async with db.unit_of_work() as session:
            session.add_all(
                [Parcel(id=1, town="a"), Express(id=2, town="a"), Parcel(id=3, town="b")]
            )
            await session.flush()
            session.add_all([Receipt(id=key, parcel_id=key) for key in (1, 2, 3)])
        assert await _keys_of(client, "/relative_parcels") == [1, 2]
        assert await _keys_of(client, "/relative_receipts?parcel.id__ge=0") == [1, 2]
        found = (await client.get("/relative_receipts?include=parcel")).json()["items"]
        assert [each["id"] for each in found if each["parcel"]] == [1, 2]


async def _keys_of(client: httpx2.AsyncClient, path: str) -> list[int]:
    return [row["id"] for row in (await client.get(path)).json()["items"]]


class Mail:
    """Letters, and two other classes that read them, in a registry of their own."""

    def __init__(self) -> None:
        class Base(DeclarativeBase):
            pass

        class Letter(Base):
            __tablename__ = "relative_letters"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(String(9))
            town: Mapped[str] = mapped_column(String(9))
            memo: Mapped[str] = mapped_column(String(9), default="hush")
            sent_by: Mapped[str] = mapped_column(String(9), default="Ann")
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012

        class Parcelled(Letter):
            """Calls columns of its base by names of its own."""

            remark = column_property(Letter.__table__.c.memo)
            sender = column_property(Letter.__table__.c.sent_by)
            __mapper_args__ = {"polymorphic_identity": "big"}  # noqa: RUF012

        class Line(Base):
            """The same rows, read by another class, as reports do."""

            __table__ = Letter.__table__
            number: Mapped[int] = Letter.__table__.c.id  # type: ignore[assignment]
            words: Mapped[str] = Letter.__table__.c.memo  # type: ignore[assignment]

        class Stamp(Base):
            __tablename__ = "relative_stamps"
            id: Mapped[int] = mapped_column(primary_key=True)
            letter_id: Mapped[int] = mapped_column(ForeignKey("relative_letters.id"))
            big: Mapped[Any] = relationship("Parcelled", viewonly=True)
            line: Mapped[Any] = relationship("Line", viewonly=True)

        self.base, self.letter, self.parcelled, self.line, self.stamp = (
            Base, Letter, Parcelled, Line, Stamp,
        )  # fmt: skip

    def in_town_a(self) -> Policy:
        return Policy(visible=self.letter.town == "a", hidden={"sent_by"})


@pytest.mark.long
async def test_another_class_of_the_table_shows_no_more_than_is_declared(database_url: str) -> None:
    """Neither rows that a policy hides, nor hidden columns by other names."""
    mail = Mail()
    letters = resource(mail.letter, policy=mail.in_town_a, hidden={"memo"})
    stamps = resource(mail.stamp, includes={"big", "line"})
    db, opened = await served(database_url, mail.base.metadata, letters, stamps)
    async with opened as client:
        async with db.unit_of_work() as session:
            session.add_all([mail.parcelled(id=1, town="a"), mail.parcelled(id=2, town="b")])
            await session.flush()
            session.add_all([mail.stamp(id=key, letter_id=key) for key in (1, 2)])
        shown, hidden = (await client.get("/relative_stamps?include=big,line")).json()["items"]
        assert (hidden["big"], hidden["line"]) == (None, None)
        assert shown["big"] == {"id": 1, "kind": "big", "town": "a"}
        assert shown["line"] == {"number": 1, "kind": "big", "town": "a"}
        for query in ("big.remark=hush", "big.sender=Ann", "line.words=hush", "sort=line.sent_by"):
            assert (await client.get(f"/relative_stamps?{query}")).status_code == 422


def test_an_open_resource_of_a_guarded_table_is_named_by_those_that_mean_it() -> None:
    """As in a family of classes."""
    mail = Mail()
    letters = resource(mail.letter, policy=mail.in_town_a)
    lines = resource(mail.line, path="/lines")
    unnamed = resource(mail.stamp, includes={"line"})
    with pytest.raises(ConfigurationError, match="has a policy for Letter"):
        _ = unnamed.exposure.reached
    assert resource(mail.stamp, includes={"line": lines}).exposure.reached
    del letters


@pytest.mark.long
async def test_a_column_is_closed_by_each_of_its_names(database_url: str) -> None:
    """Another attribute of a hidden column, or a synonym of it, shows and takes nothing."""

    class TwiceBase(Model):
        __abstract__ = True
        metadata = MetaData()

    class Twice(TwiceBase):
        __tablename__ = "twice"
        id: Mapped[int] = mapped_column(primary_key=True)
        memo: Mapped[str] = mapped_column(String(20), default="kept")
        note = synonym("memo")

    Twice.again = column_property(Twice.__table__.c.memo)

    def closed(name: str) -> Policy:
        return Policy(visible=True, hidden={name})

    for path, options in (
        ("/memo", {"hidden": {"memo"}}),
        ("/again", {"hidden": {"again"}}),
        ("/p1", {"policy": lambda: closed("memo")}),
        ("/p2", {"policy": lambda: closed("again")}),
        ("/p3", {"policy": lambda: closed("note")}),
        ("/p4", {"policy": lambda: Policy(visible=True, read_only={"again"})}),
    ):
        app = FastAPI()
        Database(database_url, metadata=TwiceBase.metadata).attach(app)
        app.include_router(resource(Twice, path=path, **options))
        async with client_of(app) as client:
            assert (await client.post(path, json={})).status_code == 201
            for name in ("memo", "again", "note"):
                assert (await client.post(path, json={name: "x"})).status_code == 422
            if path != "/p4":
                assert "kept" not in (await client.get(path)).text
                assert (await client.get(path, params={"again": "kept"})).status_code == 422
