"""A model's own code counts: constructors, validators, listeners, defaults of its class."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import InitVar
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, PositiveInt, TypeAdapter
from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table, event, select
from sqlalchemy.orm import (
    Mapped,
    MappedAsDataclass,
    mapped_column,
    object_session,
    registry,
    relationship,
    validates,
)
from sqlmodel import Field, SQLModel

from ormolu import ConfigurationError, Database, Model, Policy, RefusedError, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of


class Base(Model):
    """Models with code of their own."""

    __abstract__ = True
    metadata = Model.metadata.__class__()


class PassesOn:
    """A mixin that adds nothing."""

    def __init__(self, **values: Any) -> None:
        """Pass on."""
        super().__init__(**values)


class Dish(Base):
    """Its `__init__` computes a column."""

    __tablename__ = "own_dishes"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40), unique=True)
    slug: Mapped[str] = mapped_column(String(40))
    owner: Mapped[str] = mapped_column(String(40))

    def __init__(self, title: str, /, owner: str = "nobody", *, loud: bool = False) -> None:
        """Compute."""
        if not title.strip():
            message = "a dish has a title"
            raise ValueError(message)
        self.title = title.upper() if loud else title
        self.slug = title.lower().replace(" ", "-")
        self.owner = owner


class Food(Base):
    """Its `__init__` takes any values, and fails of a certain one."""

    __tablename__ = "own_foods"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int]
    size: Mapped[int]
    letter: Mapped[str] = mapped_column(String(1))
    note: Mapped[str | None] = mapped_column(String(40))

    def __init__(self, note: str, **values: Any) -> None:
        """Check with Pydantic, then set."""
        TypeAdapter(PositiveInt).validate_python(values["weight"])
        super().__init__(size=len(note), note=note, **values)
        self.letter = self.name[0]
        self.note = self.note or "none"
        if self.name == "odd":
            len(self.weight)  # type: ignore[arg-type]


class Plain(PassesOn, Base):
    """Its `__init__` does nothing of its own."""

    __tablename__ = "own_plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


class Contact(Base):
    """Validators change values and refuse some."""

    __tablename__ = "own_contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    mail: Mapped[str] = mapped_column(String(60), unique=True)
    phone: Mapped[str | None] = mapped_column(String(20))
    extra: Mapped[Any] = mapped_column(JSON, nullable=True)

    @validates("mail", "phone", "extra")
    def check(self, key: str, value: Any) -> Any:
        """Refuse what is no address or number."""
        if key == "mail" and "@" not in value:
            message = f"{len(value)} characters, and no @ among them"
            raise ValueError(message)
        assert key != "phone" or value is None or value.startswith("+"), "begin with +"
        return value.lower() if key == "mail" else value


class Flag(Base):
    """A listener asks the session of the object that is changed."""

    __tablename__ = "own_flags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    is_chosen: Mapped[bool] = mapped_column(default=False)


@event.listens_for(Flag.is_chosen, "set")
def _one_is_chosen(flag: Flag, value: bool, _old: object, _initiator: object) -> None:
    session = object_session(flag)
    if session is not None and value:
        for other in session.scalars(select(Flag).where(Flag.is_chosen, Flag.id != flag.id)):
            other.is_chosen = False


@event.listens_for(Flag.name, "set")
def _no_empty_name(_flag: Flag, value: str, _old: object, _initiator: object) -> None:
    if not value:
        message = "a flag has a name"
        raise ValueError(message)


class Ticket(MappedAsDataclass, Base, kw_only=True):
    """A dataclass that makes values itself."""

    __tablename__ = "own_tickets"
    code: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, init=False, default_factory=uuid.uuid4
    )
    title: Mapped[str] = mapped_column(String(20))
    level: Mapped[int] = mapped_column(default=3)
    labels: Mapped[list[Any]] = mapped_column(default_factory=list)
    made_at: Mapped[datetime] = mapped_column(init=False, default_factory=lambda: datetime.now(UTC))


class Parcel(MappedAsDataclass, Base, kw_only=True):
    """A dataclass with `__post_init__`, a field that is no column and a relation."""

    __tablename__ = "own_parcels"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    weight: Mapped[int]
    label: Mapped[str] = mapped_column(String(20), init=False)
    unit: InitVar[str] = "g"
    flag_id: Mapped[int | None] = mapped_column(ForeignKey("own_flags.id"), default=None)
    flag: Mapped[Flag | None] = relationship(default=None)

    def __post_init__(self, unit: str) -> None:
        """Compute a column, and refuse."""
        if self.weight < 0:
            message = "weighs less than nothing"
            raise ValueError(message)
        self.label = f"{self.weight} {unit}"


class Card(SQLModel, table=True):
    """Defaults that SQLModel keeps in the class, since the column is given."""

    __tablename__ = "own_cards"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_column=Column(String(20), nullable=False), default="blank")
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON))

    @validates("name")
    def check(self, _key: str, value: str) -> str:
        """Refuse."""
        if value == "nope":
            message = "no name"
            raise ValueError(message)
        return value


@asynccontextmanager
async def _served(
    url: str, *models: type[Any], **options: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    Database(url, metadata=models[0].metadata, pool_timeout=20.0).attach(app)
    for model in models:
        app.include_router(resource(model, path=f"/{model.__name__.lower()}", **options))
    async with client_of(app) as client:
        yield client


@pytest.mark.parametrize("is_heard", [False, True])
async def test_an_own_constructor_makes_every_new_row(database_url: str, is_heard: bool) -> None:
    """One row, an upsert, a batch: and whether somebody listens makes no difference."""
    if is_heard:
        event.listen(Dish, "before_insert", _nothing)
    try:
        async with _served(database_url, Dish) as client:
            row = (await client.post("/dish", json={"title": "Red Bean"})).json()
            assert (row["slug"], row["owner"]) == ("red-bean", "nobody")
            path = "/dish?on_conflict=title"
            row = (await client.post(path, json={"title": "Big Pie", "slug": "mine"})).json()
            assert row["slug"] == "mine"
            steps = [{"op": "create", "data": {"title": f"No {n}"}} for n in range(3)]
            done = await client.post("/dish:batch", json={"operations": steps})
            assert [each["body"]["slug"] for each in done.json()["results"]] == [
                "no-0", "no-1", "no-2",
            ]  # fmt: skip
    finally:
        if is_heard:
            event.remove(Dish, "before_insert", _nothing)


def _nothing(*_: object) -> None:
    """Hear, and do nothing."""


async def test_a_constructor_refuses(database_url: str) -> None:
    """Its ValueError is a 422, and one operation of a batch is named."""
    async with _served(database_url, Dish) as client:
        answer = await client.post("/dish", json={"title": " "})
        assert (answer.status_code, answer.json()["errors"][0]["msg"]) == (
            422,
            "a dish has a title",
        )
        steps = [{"op": "create", "data": {"title": title}} for title in ("a", " ", "b")]
        body = {"operations": steps, "atomic": False}
        done = (await client.post("/dish:batch", json=body)).json()["results"]
        assert [each["status"] for each in done] == [201, 422, 201]


def test_explain_names_the_constructor() -> None:
    """Creates take the session; what only passes on does not count."""
    reasons = {each.operation: each.reason for each in resource(Dish).explain()}
    assert reasons["create"] == "its rows are made by its own __init__"
    assert reasons["update"] is None
    assert {each.operation: each.reason for each in resource(Plain).explain()}["create"] is None


def test_what_a_constructor_computes_is_not_required() -> None:
    """It is what it has no parameter for, or one with a default; and what it asks for is."""
    required = [
        set(resource(each, read_only=shut).schemas.create.model_json_schema()["required"])
        for each, shut in ((Dish, set()), (Food, {"size"}), (Parcel, {"label"}), (Parcel, set()))
    ]
    assert required == [{"title"}, {"name", "weight", "note"}, {"weight"}, {"weight"}]
    with pytest.raises(ConfigurationError, match="title is required and cannot be sent"):
        resource(Dish, read_only={"title"})


async def test_a_hook_that_names_no_column_is_told_so(database_url: str) -> None:
    """In a model that the ORM writes, where Python would take any name."""
    contacts = resource(Contact, hooks={"before_create": lambda _s, row: {**row, "mial": "a@b"}})
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        with pytest.raises(TypeError, match="'mial' is no column of Contact"):
            await contacts.create(session, {"mail": "a@b"})


async def test_what_a_policy_assigns_is_given_to_the_constructor(database_url: str) -> None:
    """The constructor hears of it as of what was sent."""
    dishes = resource(Dish, policy=lambda: Policy(visible=True, assign={"owner": "ann"}))
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(dishes)
    async with client_of(app) as client:
        row = (await client.post("/own_dishes", json={"title": "Soup"})).json()
        assert (row["owner"], row["slug"]) == ("ann", "soup")


async def test_validators_refuse_and_change_values(database_url: str) -> None:
    """In every kind of write, by the field, with the words of the error."""
    async with _served(database_url, Contact) as client:
        row = (await client.post("/contact", json={"mail": "A@B", "extra": None})).json()
        assert (row["mail"], row["extra"]) == ("a@b", None)
        place = f"/contact/{row['id']}"
        for method, path, body in (
            ("POST", "/contact", {"mail": "nope"}),
            ("POST", "/contact?on_conflict=mail", {"mail": "nope"}),
            ("PATCH", place, {"mail": "nope"}),
        ):
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"] == [
                {
                    "pointer": "/mail", "loc": ["body", "mail"], "type": "value_error",
                    "msg": "4 characters, and no @ among them",
                }
            ]  # fmt: skip
        answer = await client.patch(place, json={"phone": "123", "mail": "c@d"})
        assert answer.json()["errors"][0]["type"] == "assertion_error"
        assert (await client.patch(place, json={"mail": "C@D"})).json()["mail"] == "c@d"


async def test_a_validator_refuses_in_a_batch(database_url: str) -> None:
    """The pointer says which operation it was."""
    async with _served(database_url, Contact) as client:
        steps = [{"op": "create", "data": {"mail": mail}} for mail in ("a@b", "c", "d@e")]
        answer = await client.post("/contact:batch", json={"operations": steps})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/operations/1/data/mail"
        assert (await client.get("/contact")).json()["items"] == []


async def test_a_validator_refuses_a_python_call(database_url: str) -> None:
    """The same as a RefusedError."""
    contacts = resource(Contact)
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        with pytest.raises(RefusedError, match="no @ among them"):
            await contacts.create(session, {"mail": "nope"})


async def test_listeners_use_the_session_of_their_object(database_url: str) -> None:
    """A `set` listener that queries does so in the request's own session."""
    async with _served(database_url, Flag) as client:
        await client.post("/flag", json={"name": "a", "is_chosen": True})
        await client.post("/flag", json={"name": "b"})
        assert (await client.patch("/flag/2", json={"is_chosen": True})).status_code == 200
        items = (await client.get("/flag?sort=id")).json()["items"]
        assert [each["is_chosen"] for each in items] == [False, True]
        answer = await client.patch("/flag/2", json={"name": ""})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


async def test_factories_of_a_dataclass_are_defaults(database_url: str) -> None:
    """What they make is not required, and made for one row, many, and by the front door."""
    tickets = resource(Ticket, path="/ticket")
    assert tickets.schemas.create.model_json_schema()["required"] == ["title"]
    assert resource(Ticket, read_only={"labels"})
    async with _served(database_url, Ticket) as client:
        rows = [(await client.post("/ticket", json={"title": "a"})).json() for _ in range(2)]
        assert rows[0]["code"] != rows[1]["code"]
        assert [(row["level"], row["labels"]) for row in rows] == [(3, [])] * 2
        assert rows[0]["made_at"].endswith("Z")
        steps = [{"op": "create", "data": {"title": "b", "labels": [n]}} for n in range(2)]
        done = (await client.post("/ticket:batch", json={"operations": steps})).json()["results"]
        assert [each["body"]["labels"] for each in done] == [[0], [1]]


async def test_a_dataclass_runs_what_comes_after_its_constructor(database_url: str) -> None:
    """`__post_init__` computes, and refuses; a relation with a default leaves its column alone."""
    async with _served(database_url, Parcel, Flag) as client:
        await client.post("/flag", json={"name": "a"})
        row = (await client.post("/parcel", json={"weight": 5, "flag_id": 1})).json()
        assert (row["label"], row["flag_id"]) == ("5 g", 1)
        answer = await client.post("/parcel", json={"weight": -5})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "")


async def test_defaults_of_sqlmodel_count(database_url: str) -> None:
    """Those of the class, where the column has none."""
    async with _served(database_url, Card) as client:
        row = (await client.post("/card", json={})).json()
        assert (row["name"], row["tags"]) == ("blank", [])
        assert (await client.post("/card", json={"tags": ["x"]})).json()["tags"] == ["x"]
        for method, path in (("POST", "/card"), ("PATCH", "/card/1")):
            answer = await client.request(method, path, json={"name": "nope"})
            assert answer.json()["errors"][0]["pointer"] == "/name"


def test_a_constructor_that_asks_for_more_is_refused() -> None:
    """A parameter that is no column has to come from somewhere."""
    with pytest.raises(ConfigurationError, match="asks for password"):
        resource(Account)
    assert resource(Account, operations={"list", "read", "update"})


class Account(Base):
    """Made of what it does not keep."""

    __tablename__ = "own_accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(20))

    def __init__(self, password: str) -> None:
        """Keep something else."""
        self.digest = password[::-1]


async def test_a_hook_gives_a_constructor_more(database_url: str) -> None:
    """What a parameter is called may be made in before_create, though it is no column."""

    async def give(_session: object, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "password": "abc"}

    hooks = {"before_create": give}
    async with _served(database_url, Account, hooks=hooks, read_only={"digest"}) as client:
        assert (await client.post("/account", json={})).json()["digest"] == "cba"


async def test_a_create_model_gives_a_constructor_more(database_url: str) -> None:
    """A parameter that is no column may be a field of the program's own model."""

    class NewAccount(BaseModel):
        password: str

    async with _served(database_url, Account, create_model=NewAccount) as client:
        assert (await client.post("/account", json={"password": "xy"})).json()["digest"] == "yx"


async def test_what_pydantic_refuses_in_a_constructor_is_said_without_values(
    database_url: str,
) -> None:
    """A ValidationError is a ValueError; its text would have the value in it."""
    async with _served(database_url, Food, read_only={"size"}) as client:
        sent = {"name": "a", "weight": 1, "note": "abc"}
        assert (await client.post("/food", json=sent)).json()["size"] == 3
        answer = await client.post("/food", json={**sent, "weight": -77})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["msg"] == "Input should be greater than 0"
        assert "77" not in answer.text


async def test_an_error_of_a_constructor_tells_what_it_was_made_of(database_url: str) -> None:
    """A TypeError is the program's; its traceback names the values' names."""
    foods = resource(Food, read_only={"size"})
    db = Database(database_url, metadata=Base.metadata)
    async with db, db.unit_of_work() as session:
        with pytest.raises(TypeError) as caught:
            await foods.create(session, {"name": "odd", "weight": 1, "note": ""})
        assert caught.value.__notes__ == ["Ormolu made a Food from name, note, weight."]


class Bare:
    """Mapped from outside, without any `__init__`."""


_bare = Table("own_bare", Base.metadata, Column("id", Integer, primary_key=True), Column("a", JSON))
registry(metadata=Base.metadata).map_imperatively(Bare, _bare)


async def test_classes_without_a_constructor_are_made(database_url: str) -> None:
    """By the ORM, too: somebody listens."""
    event.listen(Bare, "before_insert", _nothing)
    async with _served(database_url, Plain, Bare) as client:
        assert (await client.post("/bare", json={"a": [1]})).json() == {"id": 1, "a": [1]}


class Sticker(MappedAsDataclass, Base, kw_only=True):
    """Makes the same each time."""

    __tablename__ = "own_stickers"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    text: Mapped[str] = mapped_column(String(20), default_factory=lambda: "hello")
    words: Mapped[list[Any]] = mapped_column(default_factory=list, init=False)


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_factories_are_asked_by_the_front_door(twin_urls: tuple[str, str]) -> None:
    """A door stores what the session would."""
    async with twins_of(twin_urls, Base.metadata, resource(Sticker)) as twins:
        for sent in ({}, {"text": "a"}, {"words": [1]}):
            await twins.through("POST", "/own_stickers", json=sent)
        await twins.compare(Sticker.__table__)  # type: ignore[arg-type]
