"""What clients call columns and relations: one name, in every place of the dialect."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel, to_pascal
from sqlalchemy import ForeignKey, MetaData, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import ConfigurationError, Database, Model, Policy, RefusedError, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

# What a request says is read before any backend is asked; SQL is where the others differ.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class House(Base):
    __tablename__ = "named_houses"
    house_code: Mapped[str] = mapped_column(String(20), primary_key=True)
    street_name: Mapped[str] = mapped_column(String(30))
    all_tenants: Mapped[list[Tenant]] = relationship(back_populates="own_house")


class Tenant(Base):
    __tablename__ = "named_tenants"
    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    full_name: Mapped[str] = mapped_column(String(30), unique=True)
    is_noisy: Mapped[bool] = mapped_column(default=False)
    rent_paid: Mapped[float | None]
    door_code: Mapped[str | None] = mapped_column(String(9), unique=True)
    house_code: Mapped[str | None] = mapped_column(ForeignKey("named_houses.house_code"))
    own_house: Mapped[House | None] = relationship(back_populates="all_tenants")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class TenantOut(Camel):
    full_name: str = Field(max_length=30)
    tenant_id: int
    rent_paid: float | None
    is_noisy: bool
    house_code: str | None


class TenantIn(Camel):
    tenant_id: int
    full_name: str
    is_noisy: bool = False
    rent_paid: float | None = None
    house_code: str | None = None


class TenantPatch(Camel):
    full_name: str = ""
    rent_paid: float | None = None


houses = resource(House, includes={"all_tenants"}, alias_generator=to_camel)
tenants = resource(
    Tenant, writable={"tenant_id"}, searchable={"full_name"}, includes={"own_house": houses},
    public_model=TenantOut, create_model=TenantIn, update_model=TenantPatch, hidden={"door_code"},
)  # fmt: skip


async def seed(twins: Any) -> None:
    await twins.send("PUT", "/named_houses/a", json={"streetName": "Elm"})
    for number, name in enumerate(("Ann", "Bo", "Cy"), 1):
        body = {"tenantId": number, "fullName": name, "rentPaid": number / 2}
        await twins.through("POST", "/named_tenants", json=body)
    await twins.send("PATCH", "/named_tenants/1", json={"rentPaid": None})


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_a_door_writes_the_names_itself(twin_urls: tuple[str, str]) -> None:
    """A public model that only names columns costs no resource its doors."""
    async with twins_of(twin_urls, Base.metadata, houses, tenants) as twins:
        await seed(twins)
        answer = await twins.through("GET", "/named_tenants/2")
        assert list(answer.json()) == ["fullName", "tenantId", "rentPaid", "isNoisy", "houseCode"]
        for query in ("sort=-fullName&limit=2", "fields=rentPaid,fullName", "isNoisy=false",
                      "rentPaid__ge=1&include=ownHouse", "q=an&fields=tenantId",
                      'where={"ownHouse":{"none":{"streetName":"Oak"}}}'):  # fmt: skip
            await twins.through("GET", f"/named_tenants?{query}")
        for query in ("fields=fullName", "include=ownHouse"):
            await twins.through("GET", f"/named_tenants/1?{query}")
        await twins.through("PATCH", "/named_tenants/1", json={"fullName": "Di"})
        for query in ("full_name=Ann", "include=own_house", "fields=full_name", "sort=full_name",
                      "doorCode=1", "ownHouse.street_name=x"):  # fmt: skip
            assert (await twins.past("GET", f"/named_tenants?{query}")).status_code == 422


@pytest.mark.long
async def test_each_place_has_the_same_names(database_url: str) -> None:
    """Bodies, filters, sorts, cursors, includes, trees, keys of conflicts, and pointers."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(houses)
    app.include_router(tenants)
    async with client_of(app) as client:
        await client.put("/named_houses/a", json={"streetName": "Elm"})
        for number, name in enumerate(("Ann", "Bo"), 1):
            body = {"tenantId": number, "fullName": name, "houseCode": "a"}
            assert (await client.post("/named_tenants", json=body)).status_code == 201
        tree = 'where={"or":[{"fullName__startswith":"A"},{"ownHouse.streetName":"x"}]}'
        for query in (tree, "ownHouse.streetName=Elm", "sort=ownHouse.streetName", "q=ann"):
            found = await client.get(f"/named_tenants?{query}&fields=tenantId&limit=1")
            assert found.json()["items"], query
        page = (await client.get("/named_tenants?sort=-fullName&limit=1")).json()
        rest = f"/named_tenants?sort=-fullName&limit=1&cursor={page['next_cursor']}"
        assert (await client.get(rest)).json()["items"][0]["fullName"] == "Ann"
        shown = (await client.get("/named_houses/a?include=allTenants")).json()
        assert [each["fullName"] for each in shown["allTenants"]] == ["Ann", "Bo"]
        # `isNoisy` is of the create_model alone.
        body = {"tenantId": 9, "fullName": "Bo", "isNoisy": True, "rentPaid": 1.5}
        changed = await client.post("/named_tenants?on_conflict=fullName", json=body)
        assert changed.status_code == 200
        assert (changed.json()["rentPaid"], changed.json()["isNoisy"]) == (1.5, False)
        clash = (await client.post("/named_tenants", json=body)).json()
        assert clash["errors"][0]["pointer"] == "/fullName"
        assert "this fullName" in clash["detail"]
        steps = [{"op": "update", "id": 1, "data": {"fullName": "Bo"}}]
        clash = (await client.post("/named_tenants:batch", json={"operations": steps})).json()
        assert clash["errors"][0]["pointer"] == "/operations/0/data/fullName"
        wrong = await client.patch("/named_tenants/1", json={"fullName": None})
        assert wrong.json()["errors"][0]["pointer"] == "/fullName"
        asked = {"where": {"fullName": "Ann"}, "fields": ["fullName"]}
        found = await client.request("QUERY", "/named_tenants", json=asked)
        assert found.json()["items"] == [{"fullName": "Ann"}]


class Shed(Base):
    __tablename__ = "named_sheds"
    shed_id: Mapped[int] = mapped_column(primary_key=True)
    roof_colour: Mapped[str | None] = mapped_column(String(9))


class Guest(Base):
    __tablename__ = "named_guests"
    guest_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    full_name: Mapped[str] = mapped_column(String(30), unique=True)
    door_code: Mapped[str | None] = mapped_column(String(9), unique=True)
    is_noisy: Mapped[bool] = mapped_column(default=False)
    shed_id: Mapped[int | None] = mapped_column(ForeignKey("named_sheds.shed_id"))
    own_shed: Mapped[Shed | None] = relationship()


class GuestOut(Camel):
    guest_id: int
    full_name: str


class Pair(Base):
    __tablename__ = "named_pairs"
    left_part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    right_part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    some_text: Mapped[str | None] = mapped_column(String(9))


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_keys_of_several_columns_have_the_names_too(database_url: str) -> None:
    """In paths, in errors and in batches."""
    pairs = resource(Pair, alias_generator=to_camel)
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(pairs)
    async with client_of(app) as client:
        assert (await client.put("/named_pairs/1,2", json={"someText": "a"})).status_code == 201
        wrong = (await client.get("/named_pairs/1,x")).json()["errors"][0]
        assert wrong["loc"] == ["path", "rightPart"]
        key = {"leftPart": 1, "rightPart": 2}
        steps = [{"op": "update", "id": key, "data": {"someText": "b"}}]
        answer = await client.post("/named_pairs:batch", json={"operations": steps})
        assert answer.json()["results"][0]["body"] == {**key, "someText": "b"}
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert "/named_pairs/{leftPart},{rightPart}" in paths


@pytest.mark.backends("sqlite")
async def test_python_calls_use_the_names_and_hooks_the_attributes(database_url: str) -> None:
    """A call is a request in Python; a hook is of the model."""
    told: list[dict[str, Any]] = []

    def note(_session: object, row: dict[str, Any]) -> None:
        told.append(row)

    noted = resource(
        Guest, path="/noted", writable={"guest_id"}, public_model=GuestOut,
        hooks={"before_create": note, "after_create": note},
    )  # fmt: skip
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        made = await noted.create(session, {"guestId": 1, "fullName": "Ann", "doorCode": "7"})
        assert made["fullName"] == "Ann"
        assert "doorCode" not in made
        assert told[0] == {"guest_id": 1, "full_name": "Ann", "door_code": "7"}
        assert told[1]["door_code"] == "7"
        page = await noted.list(session, where={"fullName": "Ann"}, sort="-guestId")
        assert page.items == [made]
        with pytest.raises(RefusedError):
            await noted.list(session, where={"full_name": "Ann"})


@pytest.mark.backends("sqlite")
async def test_models_behind_relations_follow_the_generator(database_url: str) -> None:
    """One without a resource of its own is called as those that it is shown with."""
    lone = resource(Guest, path="/lone", includes={"own_shed"}, alias_generator=to_pascal)
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(lone)
    async with client_of(app) as client:
        assert (await client.get("/lone?OwnShed.RoofColour=x")).json()["items"] == []


async def hidden_door() -> Policy:
    return Policy(visible=True, hidden={"door_code"})


@pytest.mark.parametrize("options", [{"hidden": {"door_code"}}, {"policy": hidden_door}])
async def test_a_clash_over_a_hidden_column_does_not_name_it(
    database_url: str, options: Any
) -> None:
    """It is a clash, and no more is said."""

    def fill(_session: object, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "door_code": "same"}

    hooks: Any = {"before_create": fill}
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Guest, path="/g", writable={"guest_id"}, hooks=hooks, **options))
    async with client_of(app) as client:
        ann, bo = ({"guest_id": number, "full_name": str(number)} for number in (1, 2))
        assert (await client.post("/g", json=ann)).status_code == 201
        clash = await client.post("/g", json=bo)
        assert (clash.status_code, clash.json()["code"]) == (409, "unique_violation")
        assert "door_code" not in clash.text


def aliased(**names: str) -> type[BaseModel]:
    members = {name: Field(alias=alias) for name, alias in names.items()}
    types = {"guest_id": int, "full_name": str, "is_noisy": bool}
    return type("Named", (BaseModel,), {**members, "__annotations__": types,
                                        "__module__": __name__})  # fmt: skip


@pytest.mark.parametrize("alias", ["a.b", "a,b", "-a", "", "a:b"])
def test_an_alias_that_no_request_can_write_is_refused(alias: str) -> None:
    """It would be taken for something else."""
    with pytest.raises(ConfigurationError, match="cannot stand"):
        resource(Guest, path="/x", public_model=aliased(full_name=alias))


def test_two_columns_of_one_name_are_refused() -> None:
    """Nobody would know which is meant."""
    with pytest.raises(ConfigurationError, match="both called 'guest_id'"):
        resource(Guest, path="/x", public_model=aliased(full_name="guest_id"))
    with pytest.raises(ConfigurationError, match="both called 'x'"):
        resource(Guest, path="/x", alias_generator=lambda _name: "x")


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_generators_of_pydantic_are_understood(database_url: str) -> None:
    """AliasGenerator has one for answers; an explicit alias wins over each."""

    class Out(BaseModel):
        model_config = ConfigDict(
            alias_generator=AliasGenerator(serialization_alias=to_pascal, validation_alias=str)
        )
        guest_id: int
        full_name: str = Field(serialization_alias="who")

    shown = resource(Guest, path="/pascal", public_model=Out, includes={"own_shed"})
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(shown)
    async with client_of(app) as client:
        made = await client.post("/pascal", json={"who": "Ann", "GuestId": 1})
        assert made.json() == {"GuestId": 1, "who": "Ann"}
        assert (await client.get("/pascal?sort=who,-GuestId&include=OwnShed")).status_code == 200


class Deferred(Model):
    """Tables that only PostgreSQL has."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Late(Deferred):
    __tablename__ = "named_late"
    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str] = mapped_column(String(9))
    __table_args__ = (UniqueConstraint("full_name", deferrable=True, initially="DEFERRED"),)


class Hut(Base):
    __tablename__ = "named_huts"
    id: Mapped[int] = mapped_column(primary_key=True)
    roof_colour: Mapped[str | None] = mapped_column(String(9))


class Watched(Base):
    __tablename__ = "named_watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str] = mapped_column(String(9), unique=True)


@pytest.mark.backends("asyncpg")
async def test_a_clash_at_the_commit_has_the_name_too(database_url: str) -> None:
    """It is found after the route has answered."""
    app = FastAPI()
    Database(database_url, metadata=Deferred.metadata).attach(app)
    app.include_router(resource(Late, alias_generator=to_camel, hooks={"after_create": print}))
    async with client_of(app) as client:
        for status in (201, 409):
            made = await client.post("/named_late", json={"fullName": "Ann"})
            assert made.status_code == status
        assert made.json()["errors"][0]["pointer"] == "/fullName"


@pytest.mark.long
async def test_columns_of_other_models_keep_their_names(database_url: str) -> None:
    """What a hook writes elsewhere is not the client's to name."""

    async def write(session: Any, _row: dict[str, Any]) -> None:
        session.add(Watched(full_name="same"))
        await session.flush()

    hooks: Any = {"after_create": write}
    sheds = resource(Hut, path="/sheds", alias_generator=to_camel, hooks=hooks)
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(sheds)
    async with client_of(app) as client:
        assert (await client.post("/sheds", json={"roofColour": "a"})).status_code == 201
        clash = (await client.post("/sheds", json={"roofColour": "b"})).json()
        assert clash["errors"][0]["pointer"] == "/full_name"
