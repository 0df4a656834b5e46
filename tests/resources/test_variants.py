"""Types of one backend: those whose values are the same work, others are refused at the start.

A program names one as a variant, or in `load_dialect_impl` of a decorator.
"""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    JSON,
    REAL,
    VARBINARY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    Double,
    Enum,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator, UserDefinedType
from sqlalchemy_utils.types.bit import BitType  # type: ignore[import-untyped]

from ormolu import ConfigurationError, Database, resource
from ormolu.query import Field
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.twins import Twins, twins_of

pytestmark = pytest.mark.anyio


class Plain(enum.Enum):
    A = "a"


class Word(enum.StrEnum):
    A = "a"


def base_of() -> Any:
    """Return a base of models in tables of their own."""
    return type("Base", (DeclarativeBase,), {"metadata": MetaData()})


def model_of(type_: Any, annotation: Any = Any, base: Any = None, name: str = "things") -> Any:
    """Return a model with a column of a type."""
    generic: Any = Mapped
    members = {
        "__tablename__": name,
        "__annotations__": {"id": Mapped[int], "value": generic[annotation]},
        "id": mapped_column(primary_key=True),
        "value": mapped_column(type_, nullable=True),
    }
    return type(name.title(), (base or base_of(),), members)


@asynccontextmanager
async def things_of(urls: tuple[str, str], types: dict[str, Any]) -> AsyncIterator[Twins]:
    """Serve a model for each type, at the path of its name; a type may have an annotation."""
    base = base_of()
    models = []
    for name, each in types.items():
        type_, annotation = each if isinstance(each, tuple) else (each, Any)
        models.append(model_of(type_, annotation, base, name))
    async with twins_of(urls, base.metadata, *map(resource, models)) as twins:
        yield twins


def varied(plain: Any, dialect: str, other: Any) -> Any:
    return plain.with_variant(other, dialect)


def decorated(plain: Any, dialect_name: str, other: Any) -> Any:
    """Return a decorator that names another type for a dialect, and has no code between."""

    class Named(TypeDecorator[Any]):
        impl = plain
        cache_ok = True

        def load_dialect_impl(self, dialect: Dialect) -> Any:
            named = other if dialect.name == dialect_name else self.impl_instance
            return dialect.type_descriptor(named)

    return Named()


NAMED_BY = (varied, decorated)
WAYS = pytest.mark.parametrize("name_type", NAMED_BY)


def each_way(cases: Iterable[str]) -> dict[str, tuple[str, Any]]:
    """Return each case by the name of its table, named in both ways."""
    return {f"{name}_{way.__name__}": (name, way) for name in cases for way in NAMED_BY}


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
# Other backends have no such types, or keep no offset.
ONLY_POSTGRESQL: dict[str, tuple[Any, Any]] = {
    "aware": (DateTime(), DateTime(timezone=True)),
    "naive": (DateTime(timezone=True), DateTime()),
    "aware_time": (Time(), Time(timezone=True)),
    "range": (String(40), postgresql.INT4RANGE()),
    "bits": (LargeBinary(), postgresql.BIT(3)),
}
FINE: dict[str, tuple[Any, Any, Any]] = {
    "uuid": (Uuid(as_uuid=False), String(36), str(uuid.UUID(int=5))),
    "number": (BigInteger(), Integer(), 5),
    "text": (Text(), String(40), "a"),
    "truth": (Boolean(), SmallInteger(), True),
    "word": (Enum(Word, native_enum=False), String(10), "a"),
    "float_as_decimal": (Float(), Numeric(10, 2), 0.1),
    "decimal_as_float": (Numeric(10, 2), Double(), "0.10"),
    "any_decimal_as_float": (Numeric(), Double(), "0.25"),
    "whole_as_decimal": (BigInteger(), Numeric(18, 0), 12),
    "four_bytes": (Float(), REAL(), 0.1),
    "small": (LargeBinary(3), VARBINARY(3), "YWJj"),
}


def dialect_of(backend: Backend) -> str:
    name = "mariadb" if backend.is_mariadb else "postgresql"
    return "sqlite" if backend.is_sqlite else name


@WAYS
@pytest.mark.parametrize("name", REFUSED)
async def test_a_type_of_other_values_is_refused_at_the_start(
    backend: Backend, database_url: str, name: str, name_type: Any
) -> None:
    """On the backend that has it: the program cannot give both what they take."""
    plain, other = REFUSED[name]
    if name == "list" and not backend.is_postgresql:
        plain, other = JSON(), String(40)
    await check_refused(database_url, name_type(plain, dialect_of(backend), other))


@WAYS
@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("name", ONLY_POSTGRESQL)
async def test_values_that_postgresql_alone_tells_apart_are_refused_there(
    database_url: str, name: str, name_type: Any
) -> None:
    """A moment without an offset would be one with another, or be refused in each request."""
    plain, other = ONLY_POSTGRESQL[name]
    await check_refused(database_url, name_type(plain, "postgresql", other))


@WAYS
@pytest.mark.backends("mariadb")
async def test_a_set_of_names_is_no_text(database_url: str, name_type: Any) -> None:
    """It was read as a list, and written as a text."""
    names = mysql.SET("a", "b")
    await check_refused(database_url, name_type(String(20), "mariadb", names))


async def check_refused(database_url: str, type_: Any) -> None:
    model = model_of(type_)
    app = FastAPI()
    Database(database_url, metadata=model.metadata).attach(app)
    app.include_router(resource(model))
    advice = "write a TypeDecorator|Have load_dialect_impl of Named name a type"
    with pytest.raises(ConfigurationError, match=rf"'value' is .* ({advice})"):
        async with client_of(app):
            pass


@pytest.mark.long
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


@pytest.mark.long
async def test_a_type_of_the_same_values_is_like_the_plain_one(
    backend: Backend, twin_urls: tuple[str, str], subtests: pytest.Subtests
) -> None:
    """Written, read and found by its value; which type it is there is nobody's affair."""
    cases = each_way(FINE)
    types = {path: way(*_fine(name, backend)) for path, (name, way) in cases.items()}
    async with things_of(twin_urls, types) as twins:
        for path, (name, _) in cases.items():
            with subtests.test(path):
                await check_round(twins, f"/{path}", FINE[name][2])


def _fine(name: str, backend: Backend) -> tuple[Any, str, Any]:
    plain, other, _ = FINE[name]
    if name == "truth" and backend.is_postgresql:
        # It has truth values of its own, and makes no numbers of them.
        other = Boolean(create_constraint=True)
    if name == "small" and backend.is_postgresql:
        other = LargeBinary()
    return plain, dialect_of(backend), other


async def check_round(twins: Twins, path: str, value: Any) -> None:
    """Check that a value is written, read, written again and found."""
    made = await twins.send("POST", path, json={"value": value})
    assert made.json() == {"id": 1, "value": value}, made.text
    for place in (f"{path}/1", path):
        answer = (await twins.send("GET", place)).json()
        assert answer.get("items", [answer]) == [made.json()]
    again = await twins.send("PATCH", f"{path}/1", json={"value": value})
    assert again.json() == made.json()
    await check_found(twins, value, path)


async def check_found(twins: Twins, value: Any, path: str = "/things") -> None:
    """Check that no filter of a column fails, and that one finds its value."""
    text = quote(value if isinstance(value, str) else json.dumps(value))
    answers = [
        await twins.send("GET", f"{path}?value__{operator}={text}")
        for operator in ("eq", "in", "gt", "le", "contains", "like", "overlap")
    ]
    assert {each.status_code for each in answers} <= {200, 422}
    assert (await twins.send("GET", f"{path}?sort=value")).status_code in {200, 422}
    if answers[0].status_code == 200:
        assert len(answers[0].json()["items"]) == 1


TOLD: dict[str, tuple[Any, Any, Any, Any]] = {
    "object": (Text(), JSON(), dict[str, int], {"a": 1}),
    "list": (Text(), JSON(), list[int], [1, 2]),
    "bytes": (String(9), LargeBinary(), bytes, "YWJj"),
    "text": (LargeBinary(9), String(9), str, "abc"),
    "number": (String(9), Integer(), int, 12),
}


@pytest.mark.long
async def test_the_annotation_says_which_of_the_named_types_has_the_values(
    backend: Backend, twin_urls: tuple[str, str], subtests: pytest.Subtests
) -> None:
    """The first may be there only since a decorator has to have one."""
    cases, types = each_way(TOLD), {}
    for path, (name, way) in cases.items():
        plain, other, annotation, _ = TOLD[name]
        types[path] = way(plain, dialect_of(backend), other), annotation
    async with things_of(twin_urls, types) as twins:
        for path, (name, _) in cases.items():
            with subtests.test(path):
                await check_round(twins, f"/{path}", TOLD[name][3])


NARROW: dict[str, tuple[Any, str, str]] = {
    "address": (postgresql.INET(), "10.0.0.1", "10.0.0"),
    "bits": (postgresql.BIT(3), "101", "12"),
    "uuid": (postgresql.UUID(as_uuid=False), str(uuid.UUID(int=5)), "nope"),
}


@pytest.mark.long
async def test_text_is_what_every_backend_takes_for_it(
    twin_urls: tuple[str, str], subtests: pytest.Subtests
) -> None:
    """Where PostgreSQL has no text, patterns have no meaning, and were a 500 there."""
    cases = each_way(NARROW)
    types = {path: way(String(45), "postgresql", NARROW[name][0])
             for path, (name, way) in cases.items()}  # fmt: skip
    async with things_of(twin_urls, types) as twins:
        for path, (name, _) in cases.items():
            with subtests.test(path):
                _, value, bad = NARROW[name]
                await check_round(twins, f"/{path}", value)
                refused = await twins.send("POST", f"/{path}", json={"value": bad})
                assert refused.status_code == 422
                found = await twins.send("GET", f"/{path}?value__startswith=1")
                assert found.status_code == 422


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_a_package_s_bits_are_text_of_zeros_and_ones(twin_urls: tuple[str, str]) -> None:
    """sqlalchemy-utils decorates BINARY, which only MariaDB has of it."""
    model = model_of(BitType(3))
    async with twins_of(twin_urls, model.metadata, resource(model)) as twins:
        made = await twins.send("POST", "/things", json={"value": "101"})
        assert made.json() == {"id": 1, "value": "101"}, made.text
        assert (await twins.send("POST", "/things", json={"value": "YWI="})).status_code == 422
        await check_found(twins, "101")


@pytest.mark.backends("mariadb")
async def test_a_package_s_bits_are_bytes_on_mariadb(twin_urls: tuple[str, str]) -> None:
    """Its model says so, or is told that nothing else is to be had."""
    model = model_of(BitType(3), bytes)
    async with twins_of(twin_urls, model.metadata, resource(model)) as twins:
        made = await twins.send("POST", "/things", json={"value": "YWJj"})
        assert made.json() == {"id": 1, "value": "YWJj"}, made.text
    app = FastAPI()
    model = model_of(BitType(3))
    Database(twin_urls[0], metadata=model.metadata).attach(app)
    app.include_router(resource(model))
    with pytest.raises(ConfigurationError, match=r"'value' is BIT, and BINARY\(length=3\) on"):
        async with client_of(app):
            pass


@pytest.mark.long
async def test_a_search_vector_is_shown_and_not_written(twin_urls: tuple[str, str]) -> None:
    """PostgreSQL makes another text of what it is given."""
    model = model_of(Text().with_variant(postgresql.TSVECTOR(), "postgresql"))
    async with twins_of(twin_urls, model.metadata, resource(model)) as twins:
        assert (await twins.send("POST", "/things", json={"value": "a"})).status_code == 422
        assert (await twins.send("POST", "/things", json={})).status_code == 201


class Shouted(TypeDecorator[str]):
    """Text in large letters, of which SQLAlchemy may keep no statements."""

    impl = String(20)
    cache_ok = False

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else value.upper()

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else value.lower()


@pytest.mark.long
async def test_a_variant_with_code_of_its_own_is_read_by_it(
    backend: Backend, twin_urls: tuple[str, str]
) -> None:
    """What the code cannot read takes no list down, as with any decorator."""
    model = model_of(String(20).with_variant(Shouted(), dialect_of(backend)))
    async with twins_of(twin_urls, model.metadata, resource(model)) as twins:
        made = await twins.send("POST", "/things", json={"value": "ab"})
        assert made.json() == {"id": 1, "value": "ab"}
        assert (await twins.send("GET", "/things")).json()["items"] == [made.json()]


class Unsaid(UserDefinedType[Any]):
    """Says nothing of its values in Python."""

    cache_ok = True


@pytest.mark.parametrize("annotation", [uuid.UUID, list[int], "Word"])
def test_an_annotation_that_no_named_type_has_says_nothing(annotation: Any) -> None:
    """The decorated type does, as where there is none."""
    type_ = String(20).with_variant(Unsaid(), "postgresql")
    assert Field("value", type_, annotation=annotation).kind.family == "text"
