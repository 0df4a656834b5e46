"""Variants of a type: those whose values are the same work, others are refused at the start."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    Uuid,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import ConfigurationError, Database, resource
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Plain(enum.Enum):
    A = "a"


class Word(enum.StrEnum):
    A = "a"


def model_of(type_: Any) -> Any:
    """Return a model with a column of a type, in tables of its own."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(type_, nullable=True)

    return Thing


REFUSED: dict[str, tuple[Any, Any]] = {
    "uuid": (Uuid(), String(36)),
    "uuid_text": (String(36), Uuid()),
    "number": (Integer(), String(20)),
    "moment": (DateTime(), String(40)),
    "day": (Date(), DateTime()),
    "decimal": (Numeric(10, 2), String(40)),
    "document": (JSON(), Text()),
    "bytes": (LargeBinary(), String(40)),
    "member": (Enum(Plain), String(10)),
    "list": (postgresql.ARRAY(Integer), String(40)),
}
FINE: dict[str, tuple[Any, Any, Any]] = {
    "uuid": (Uuid(as_uuid=False), String(36), str(uuid.UUID(int=5))),
    "number": (BigInteger(), Integer(), 5),
    "text": (Text(), String(40), "a"),
    "truth": (Boolean(), SmallInteger(), True),
    "word": (Enum(Word, native_enum=False), String(10), "a"),
}


def dialect_of(backend: Backend) -> str:
    name = "mariadb" if backend.is_mariadb else "postgresql"
    return "sqlite" if backend.is_sqlite else name


@pytest.mark.parametrize("name", REFUSED)
async def test_a_variant_of_other_values_is_refused_at_the_start(
    backend: Backend, database_url: str, name: str
) -> None:
    """On the backend that has it: the program cannot give both what they take."""
    plain, variant = REFUSED[name]
    if name == "list" and not backend.is_postgresql:
        plain, variant = JSON(), String(40)
    model = model_of(plain.with_variant(variant, dialect_of(backend)))
    app = FastAPI()
    Database(database_url, metadata=model.metadata).attach(app)
    app.include_router(resource(model))
    with pytest.raises(ConfigurationError, match=r"'value' is .* write a TypeDecorator"):
        async with client_of(app):
            pass


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.backends("sqlite")
async def test_a_variant_of_another_backend_is_none_of_this_one(
    database_url: str, name: str
) -> None:
    """And what the declaration hides is the program's own affair."""
    plain, variant = REFUSED[name]
    if name == "list":
        plain = JSON()
    for dialect, hidden in (("oracle", set[str]()), ("sqlite", {"value"})):
        model = model_of(plain.with_variant(variant, dialect))
        app = FastAPI()
        Database(f"{database_url}.{dialect}", metadata=model.metadata).attach(app)
        app.include_router(resource(model, hidden=hidden))
        async with client_of(app) as client:
            assert (await client.post("/things", json={})).status_code == 201


@pytest.mark.backends("sqlite")
async def test_a_variant_behind_a_relation_is_refused_too(database_url: str) -> None:
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Owner(Base):
        __tablename__ = "owners"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[Any] = mapped_column(Uuid().with_variant(String(36), "sqlite"))

    class Pet(Base):
        __tablename__ = "pets"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id"))
        owner: Mapped[Owner] = relationship()

    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Pet, includes={"owner"}))
    with pytest.raises(ConfigurationError, match=r"resource\(Owner\): 'code' is Uuid"):
        async with client_of(app):
            pass


@pytest.mark.parametrize("name", FINE)
async def test_a_variant_of_the_same_values_is_like_its_type(
    backend: Backend, twin_urls: tuple[str, str], name: str
) -> None:
    plain, variant, value = FINE[name]
    if name == "truth" and backend.is_postgresql:
        # It has truth values of its own, and makes no numbers of them.
        variant = Boolean(create_constraint=True)
    model = model_of(plain.with_variant(variant, dialect_of(backend)))
    async with twins_of(twin_urls, model.metadata, resource(model)) as twins:
        made = await twins.send("POST", "/things", json={"value": value})
        assert made.json() == {"id": 1, "value": value}, made.text
        for path in ("/things/1", "/things"):
            answer = (await twins.send("GET", path)).json()
            assert answer.get("items", [answer]) == [made.json()]
        again = await twins.send("PATCH", "/things/1", json={"value": value})
        assert again.json() == made.json()
