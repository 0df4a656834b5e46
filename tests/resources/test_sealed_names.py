"""What a policy or a declaration seals stays sealed, by whatever name a body reaches it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from sqlalchemy import Computed, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import ConfigurationError, Database, Model, Policy, RefusedError, resource
from tests.fixtures.apps import client_of

# What a request says is read before any backend is asked; SQL is where the others differ.
pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Ticket(Base):
    __tablename__ = "sealed_tickets"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    text: Mapped[str | None] = mapped_column(String(20))
    state_name: Mapped[str] = mapped_column(String(20), default="open")
    desk_number: Mapped[int] = mapped_column(default=1)


class Named(BaseModel):
    """Its aliases, and its names too."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    code: str = ""
    text: str | None = None
    state_name: str = "new"
    desk_number: int = 0


class ByName(Named):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)


class Chosen(BaseModel):
    code: str = ""
    text: str | None = None
    state_name: str = Field(
        "new", validation_alias=AliasChoices("state", AliasPath("meta", "state"))
    )
    desk_number: int = Field(0, validation_alias=AliasPath("meta", "desk"))


class Moved(BaseModel):
    """Renames by hand, before it is validated."""

    code: str = ""
    text: str | None = None
    state_name: str = "new"
    desk_number: int = 0

    @model_validator(mode="before")
    @classmethod
    def rename(cls, values: Any) -> Any:
        """Read names of an older client."""
        known = {"status": "state_name", "table": "desk_number"}
        return {known.get(name, name): value for name, value in values.items()}


class Filled(BaseModel):
    """Fills in others afterwards."""

    model_config = ConfigDict(extra="ignore")
    code: str = ""
    text: str | None = None
    state_name: str = "new"
    desk_number: int = 0

    @model_validator(mode="after")
    def fill(self) -> Filled:
        """Read the text."""
        if self.text == "close":
            self.state_name, self.desk_number = "closed", 9
        return self


class Wrapped(Named):
    """Makes its object by hand, around what is validated."""

    @model_validator(mode="wrap")
    @classmethod
    def make(cls, values: Any, handler: Any) -> Any:
        """Note nothing as set."""
        made = handler(values)
        if values.get("text") == "close":
            made.__dict__.update(state_name="closed", desk_number=9)
        return made


class Written(Named):
    """Writes others down than it has."""

    @model_serializer(mode="wrap")
    def write(self, handler: Any) -> Any:
        """Read the text."""
        closed = {"state_name": "closed", "desk_number": 9}
        return {**handler(self), **(closed if self.text == "close" else {})}


class Shortened(Named):
    """Writes one field down as another one says."""

    @field_serializer("state_name", "desk_number", mode="wrap")
    def shorten(self, value: Any, handler: Any) -> Any:
        """Read the text."""
        closed = "closed" if isinstance(value, str) else 9
        return closed if self.text == "close" else handler(value)


class Lax(BaseModel):
    model_config = ConfigDict(extra="allow")
    code: str = ""
    text: str | None = None


MODELS: dict[str, tuple[type[BaseModel], list[dict[str, Any]]]] = {
    "named": (Named, [{"state_name": "x"}, {"stateName": "x"}]),
    "by_name": (ByName, [{"state_name": "x"}]),
    "chosen": (Chosen, [{"state": "x"}, {"meta": {"state": "x"}}]),
    "moved": (Moved, [{"status": "x"}, {"state_name": "x"}]),
    "filled": (Filled, [{"text": "close"}]),
    "written": (Written, [{"text": "close"}]),
    "lax": (Lax, [{"state_name": "x"}]),
}
DESKS: dict[str, list[dict[str, Any]]] = {
    "named": [{"desk_number": 9}, {"deskNumber": 9}], "by_name": [{"desk_number": 9}],
    "chosen": [{"meta": {"desk": 9}}], "moved": [{"table": 9}, {"desk_number": 9}],
    "filled": [{"text": "close"}], "written": [{"text": "close"}], "lax": [{"desk_number": 9}],
}  # fmt: skip


async def as_clerk() -> Policy:
    return Policy(visible=True, read_only={"state_name"}, assign={"desk_number": 7})


async def as_guest() -> Policy:
    return Policy(visible=True, hidden={"state_name"})


def patch_of(model: type[BaseModel]) -> type[BaseModel]:
    """Return a model of changes, which has no key."""
    fields = {name: info for name, info in model.model_fields.items() if name != "code"}

    class Patch(model):  # type: ignore[misc,valid-type]
        code: str = Field("", exclude=True)

    assert set(fields) <= set(Patch.model_fields)
    return Patch


def serve(url: str, kind: str, policy: Any = as_clerk) -> Any:
    model = MODELS[kind][0]
    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    own: Any = {"create_model": model, "update_model": patch_of(model)}
    app.include_router(resource(Ticket, path="/guarded", policy=policy, **own))
    app.include_router(resource(Ticket, path="/open"))
    return client_of(app)


async def state(client: Any, key: str = "a") -> tuple[Any, Any]:
    row = (await client.get(f"/open/{key}")).json()
    return row.get("state_name"), row.get("desk_number")


@pytest.mark.long
@pytest.mark.parametrize("policy", [as_clerk, as_guest])
@pytest.mark.parametrize("kind", MODELS)
async def test_a_sealed_column_has_no_other_name(database_url: str, kind: str, policy: Any) -> None:
    """POST, PUT, PATCH, an upsert and a batch refuse it, and nothing of it is stored."""
    async with serve(database_url, kind, policy) as client:
        kept = {"code": "a", "state_name": "open", "desk_number": 7}
        await client.post("/open", json=kept)
        for body in MODELS[kind][1]:
            create = [{"op": "create", "data": {"code": "b", **body}}]
            change = [{"op": "update", "id": "a", "data": body}]
            upsert = [{"op": "upsert", "data": {"code": "a", **body}, "on_conflict": "code"}]
            answers = [
                await client.post("/guarded", json={"code": "b", **body}),
                await client.post("/guarded?on_conflict=code", json={"code": "a", **body}),
                await client.put("/guarded/b", json=body),
                await client.put("/guarded/a", json=body),
                await client.patch("/guarded/a", json=body),
                *[await client.post("/guarded:batch", json={"operations": steps})
                  for steps in (create, change, upsert)],
            ]  # fmt: skip
            assert [each.status_code for each in answers] == [422] * 8, body
            assert {each.json()["errors"][0]["type"] for each in answers} == {"extra_forbidden"}
        assert await state(client) == ("open", 7)
        assert (await client.get("/open/b")).status_code == 404


@pytest.mark.long
@pytest.mark.parametrize("kind", MODELS)
async def test_what_is_assigned_stays_by_any_name(database_url: str, kind: str) -> None:
    """Each new row has it, whatever a body or a validator says."""
    async with serve(database_url, kind, as_assigned) as client:
        for number, body in enumerate(DESKS[kind]):
            answer = await client.post("/guarded", json={"code": f"c{number}", **body})
            assert answer.status_code in {201, 403}, answer.text
            if answer.status_code == 201:
                assert (await state(client, f"c{number}"))[1] == 7
            await client.post("/open", json={"code": f"d{number}", "desk_number": 7})
            assert (await client.patch(f"/guarded/d{number}", json=body)).status_code == 422
            assert (await state(client, f"d{number}"))[1] == 7


async def as_assigned() -> Policy:
    return Policy(visible=True, assign={"desk_number": 7})


@pytest.mark.parametrize("kind", ["named", "by_name", "chosen", "lax"])
async def test_another_value_than_the_assigned_one_is_not_the_client_s(
    database_url: str, kind: str
) -> None:
    """403 by each of its names; the same value is fine."""
    async with serve(database_url, kind, as_assigned) as client:
        for number, body in enumerate(DESKS[kind]):
            answer = await client.post("/guarded", json={"code": "x", **body})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            same = {"meta": {"desk": 7}} if kind == "chosen" else dict.fromkeys(body, 7)
            answer = await client.post("/guarded", json={"code": f"e{number}", **same})
            assert answer.status_code == 201, answer.text


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_what_a_model_fills_in_by_default_counts(database_url: str) -> None:
    """The program's default is no client's choice."""
    async with serve(database_url, "named") as client:
        assert (await client.post("/guarded", json={"code": "a"})).status_code == 201
        assert await state(client) == ("new", 7)


@pytest.mark.backends("sqlite")
async def test_an_object_made_by_hand_is_sealed_too(database_url: str) -> None:
    """What it has besides its defaults was chosen, though it notes nothing as set."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Ticket, policy=as_clerk, create_model=Wrapped))
    async with client_of(app) as client:
        for body, status in (({"text": "close"}, 422), ({"text": "x"}, 201)):
            answer = await client.post("/sealed_tickets", json={"code": "a", **body})
            assert answer.status_code == status, answer.text
        assert answer.json() == {"code": "a", "text": "x", "state_name": "new", "desk_number": 7}


class Copying(BaseModel):
    """Its default looks at what was sent."""

    code: str = ""
    text: str = ""
    state_name: str = Field(default_factory=lambda sent: sent["text"] or "new")
    desk_number: int = 0


class Looking(Copying):
    """A validator of its default does."""

    state_name: str = Field("new", validate_default=True)

    @field_validator("state_name")
    @classmethod
    def look(cls, value: str, info: ValidationInfo) -> str:
        return str(info.data["text"] or value)


class LookingFactory(Looking):
    state_name: str = Field(default_factory=lambda: "new", validate_default=True)


class Factory(Copying):
    state_name: str = Field(default_factory=lambda: "new")


class Checked(Copying):
    state_name: Annotated[str, Field("new", validate_default=True, min_length=1)]


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    ("model", "status"),
    [(Copying, 422), (Looking, 422), (LookingFactory, 422), (Factory, 201), (Checked, 201)],
)
async def test_a_default_that_looks_at_what_was_sent_is_sent(
    database_url: str, model: type[BaseModel], status: int
) -> None:
    """It would carry a client's value where no client may write; another one may not."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Ticket, path="/sealed", policy=as_clerk, create_model=model))
    app.include_router(resource(Ticket, path="/open", create_model=model))
    async with client_of(app) as client:
        answer = await client.post("/sealed", json={"code": "a", "text": "closed"})
        assert answer.status_code == status, answer.text
        assert "closed" not in answer.json().get("state_name", "")
        made = await client.post("/open", json={"code": "b", "text": "x"})
        assert made.json()["state_name"] == ("x" if status == 422 else "new")


@pytest.mark.backends("sqlite")
async def test_python_calls_are_sealed_alike(database_url: str) -> None:
    """A policy holds for them by any name."""
    tickets = resource(Ticket, path="/python", create_model=Named, update_model=patch_of(Named))
    policies: Any = {Ticket: Policy(visible=True, read_only={"state_name"})}
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        await tickets.create(session, {"code": "a"}, policies=policies)
        for name in ("state_name", "stateName"):
            with pytest.raises(RefusedError):
                await tickets.create(session, {"code": "b", name: "x"}, policies=policies)
            with pytest.raises(RefusedError):
                await tickets.update(session, "a", {name: "x"}, policies=policies)


@pytest.mark.long
async def test_values_without_a_field_are_checked_as_columns(database_url: str) -> None:
    """`extra="allow"` takes what a client may write, and nothing else."""
    async with serve(database_url, "lax", as_assigned) as client:
        made = await client.post("/guarded", json={"code": "a", "state_name": "x"})
        assert made.status_code == 201
        assert await state(client) == ("x", 7)
        bodies: list[dict[str, Any]]
        bodies = [{"state_name": 5}, {"nope": 1}, {"state_name": "x" * 30}, {"__dict__": {}}]
        for body in bodies:
            assert (await client.post("/guarded", json={"code": "b", **body})).status_code == 422
            assert (await client.patch("/guarded/a", json=body)).status_code == 422
        assert (await client.patch("/guarded/a", json={"code": "z"})).json()["code"] == "a"
        assert (await client.patch("/guarded/a", json={"state_name": "y"})).status_code == 200
        assert await state(client) == ("y", 7)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_a_key_that_a_policy_closes_is_nobody_s_to_put(database_url: str) -> None:
    """A PUT chooses the key, whether or not the model of bodies has it."""

    class Short(BaseModel):
        text: str | None = None

    async def closed() -> Policy:
        return Policy(visible=True, read_only={"code"})

    async def given() -> Policy:
        return Policy(visible=True, assign={"code": "mine"})

    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    for path, policy in (("/closed", closed), ("/given", given)):
        app.include_router(resource(Ticket, path=path, policy=policy, create_model=Short))
    async with client_of(app) as client:
        assert (await client.put("/closed/a", json={})).status_code == 422
        assert (await client.put("/given/a", json={})).status_code == 403
        assert (await client.put("/given/mine", json={})).status_code == 201


class Account(Base):
    __tablename__ = "sealed_accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(40))
    level: Mapped[int] = mapped_column(default=0)
    password: Mapped[str] = mapped_column(String(40), default="")
    doubled: Mapped[int | None] = mapped_column(Computed("level * 2"))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


def model_with(name: str) -> type[BaseModel]:
    return type("Sent", (BaseModel,), {"__annotations__": {"email": str | None, name: Any},
                                       "email": None, name: None})  # fmt: skip


@pytest.mark.parametrize("option", ["create_model", "update_model"])
@pytest.mark.parametrize(
    ("name", "line"),
    [("id", "id"), ("level", "out of read_only"), ("email", "out of hidden"),
     ("password", "writable={'password'}"), ("doubled", "server makes"), ("version", "version"),
     ("mail", "did you mean 'email'")],
)  # fmt: skip
def test_own_models_open_nothing(option: str, name: str, line: str) -> None:
    """A field of a column that the declaration closes is refused at import, with what to write."""
    closed: Any = {"hidden": {"email"}} if name == "email" else {"read_only": {"level"}}
    options: Any = {option: model_with(name), "operations": {"create", "update"}}
    hooks: Any = {"before_delete": print}
    if name == "email":
        options["operations"] = {"update"}
    with pytest.raises(ConfigurationError) as caught:
        resource(Account, path=f"/{name}", hooks=hooks, **closed, **options)
    assert repr(name) in str(caught.value)
    assert line in str(caught.value)


@pytest.mark.backends("sqlite")
async def test_fields_that_are_no_column_are_for_the_hook(database_url: str) -> None:
    """A hook makes a column of them; what is left of them is not stored."""

    class New(BaseModel):
        email: str
        plain: str

    async def hash_it(_session: object, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "password": f"hash of {values['plain']}"}

    accounts = resource(Account, create_model=New, hooks={"before_create": hash_it})
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        made = await accounts.create(session, {"email": "a", "plain": "b"})
        assert made["email"] == "a"
        assert (await session.get_one(Account, 1)).password == "hash of b"


class Lane(Base):
    __tablename__ = "sealed_lanes"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(20))
    slug: Mapped[str | None] = mapped_column(String(20))
    owner_id: Mapped[int] = mapped_column(default=0)


class Slugged(BaseModel):
    title: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def slug(self) -> str:
        """Of the title."""
        return self.title.lower()


class Crossed(BaseModel):
    """Calls one column as another is called, and lets others pass."""

    model_config = ConfigDict(extra="allow")
    title: str = Field(alias="slug")
    owner_id: int = Field(0, alias="owner")


def lanes(url: str, model: type[BaseModel], policy: Policy) -> Any:
    async def dependency() -> Policy:
        return policy

    app = FastAPI()
    Database(url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Lane, create_model=model, policy=dependency))
    return client_of(app)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_computed_fields_are_stored_unless_sealed(database_url: str) -> None:
    """They are made of what the client sends."""
    async with lanes(database_url, Slugged, Policy(visible=True)) as client:
        made = await client.post("/sealed_lanes", json={"title": "A"})
        assert made.json()["slug"] == "a"
    sealed = Policy(visible=True, read_only={"slug"})
    async with lanes(database_url, Slugged, sealed) as client:
        assert (await client.post("/sealed_lanes", json={"title": "A"})).status_code == 422
    with pytest.raises(ConfigurationError, match="slug"):
        resource(Lane, create_model=Slugged, read_only={"slug"})


@pytest.mark.backends("sqlite")
async def test_a_name_is_of_the_field_that_it_fills(database_url: str) -> None:
    """The name of a sealed column may be another's alias; a field has no second name."""
    sealed = Policy(visible=True, read_only={"slug"})
    async with lanes(database_url, Crossed, sealed) as client:
        made = await client.post("/sealed_lanes", json={"slug": "a", "owner": 5})
        assert (made.status_code, made.json()["title"], made.json()["slug"]) == (201, "a", None)
        for value in (7, "x", {"a": 1}):
            body = {"slug": "a", "owner_id": value}
            refused = await client.post("/sealed_lanes", json=body)
            assert refused.json()["errors"][0]["type"] == "extra_forbidden"


@pytest.mark.long
@pytest.mark.parametrize("policy", [as_clerk, as_guest])
async def test_a_field_that_is_written_as_another_one_says_is_sealed(
    database_url: str, policy: Any
) -> None:
    """Of new rows; changes write no field down that was not sent."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    own: Any = {"create_model": Shortened, "update_model": patch_of(Shortened)}
    app.include_router(resource(Ticket, path="/guarded", policy=policy, **own))
    async with client_of(app) as client:
        for text, status in (("close", 422), ("x", 201)):
            steps = [{"op": "create", "data": {"code": f"b{text}", "text": text}}]
            answer = await client.post("/guarded", json={"code": f"a{text}", "text": text})
            assert answer.status_code == status, answer.text
            batch = await client.post("/guarded:batch", json={"operations": steps})
            assert batch.status_code == (200 if status == 201 else 422), batch.text
        changed = await client.patch("/guarded/ax", json={"text": "close"})
        assert changed.json().get("state_name", "new") == "new"


class State(Enum):
    """States as the program has them."""

    NEW = "new"


class Spelled(BaseModel):
    """Writes its defaults as the columns have them."""

    code: str
    state_name: State = State.NEW
    desk_number: Annotated[int, PlainSerializer(lambda number: number + 40)] = 2

    @field_serializer("state_name")
    def spell(self, state: State) -> str:
        """Return the text of it."""
        return state.value


async def test_a_default_that_is_only_written_otherwise_fills_a_sealed_column(
    database_url: str,
) -> None:
    """No other value has a part in it."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)

    async def as_reader() -> Policy:
        return Policy(visible=True, read_only={"state_name", "desk_number"})

    app.include_router(resource(Ticket, policy=as_reader, create_model=Spelled))
    async with client_of(app) as client:
        answer = await client.post("/sealed_tickets", json={"code": "a"})
        assert answer.json() == {
            "code": "a", "text": None, "state_name": "new", "desk_number": 42,
        }  # fmt: skip
