"""Values of columns whose type nothing tells: what driver or server refuses is the client's."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Dialect, MetaData, String, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column, validates
from sqlalchemy.types import TypeDecorator

from ormolu import Database, Model, resource
from ormolu.faults import fault_of
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.refusing import Own

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Did not recognize type"),
]

METADATA = MetaData()


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = METADATA


class Halved(TypeDecorator[Any]):
    """Fails for what is no number, each time in another way."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else str(value.numerator)


def column(**options: Any) -> Any:
    type_ = Own("TEXT").with_variant(postgresql.TSVECTOR(), "postgresql")
    type_ = type_.with_variant(Own("INET6"), "mariadb", "mysql")
    return mapped_column(type_, nullable=True, **options)


class Opened(Base):
    __tablename__ = "opened"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    data: Mapped[Any] = column(name="data_col")
    halved: Mapped[Any] = mapped_column(Halved, nullable=True)


class Two(Base):
    __tablename__ = "two"
    id: Mapped[int] = mapped_column(primary_key=True)
    one: Mapped[Any] = column()
    other: Mapped[Any] = column()


class Loose(Base):
    """Takes any text, and so whatever a driver makes of an object."""

    __tablename__ = "loose"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[Any] = mapped_column(Own("TEXT"), nullable=True)


class Unique(Base):
    __tablename__ = "unique_ones"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[Any] = mapped_column(
        Own("TEXT").with_variant(postgresql.MONEY(), "postgresql")
        .with_variant(Own("INET6"), "mariadb", "mysql"),
        unique=True,
    )  # fmt: skip


class Watched(Base):
    """Written by the ORM."""

    __tablename__ = "watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    data: Mapped[Any] = column()

    @validates("name")
    def keep(self, _name: str, value: Any) -> Any:
        return value


class Made(Base):
    __tablename__ = "made"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    data: Mapped[Any] = column(default=lambda: [{"a": 8531}])


class Hooked(Base):
    __tablename__ = "hooked"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    data: Mapped[Any] = column()


async def fill(_session: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**values, "data": [{"a": 8531}]}


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=METADATA)
    db.attach(app)
    for model in (Opened, Two, Loose, Unique, Watched):
        names = {"data", "halved", "one", "other"} & set(model.__mapper__.columns.keys())
        app.include_router(resource(model, path=f"/{model.__tablename__}", writable=names))
    app.include_router(resource(Made, path="/made"))
    app.include_router(resource(Hooked, path="/hooked", hooks={"before_create": fill}))
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(
    served: KeptApp, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx2.AsyncClient]:
    caplog.set_level(logging.WARNING, "ormolu")
    async with served.client() as found:
        yield found


LIST, NUMBER, HUGE = [{"a": 8531}], 8531, 10**30

# What nobody can store; and what one backend cannot, or reads as another type.
REFUSED: dict[str, list[Any]] = {
    "sqlite": [LIST, {"a": 8531}, [], HUGE],
    "asyncpg": [LIST, {"a": 8531}, NUMBER, "12:00:00", "x" * 3000, HUGE],
    "psycopg": [LIST, {"a": 8531}, [NUMBER], NUMBER, True, "12:00:00", [1, "x"], HUGE],
    "mariadb": [LIST, {"a": 8531}, [], NUMBER, True, 1.5, "x"],
}


@pytest.mark.long
async def test_what_is_refused_names_its_field(
    backend: Any, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """In each way to write a row; the log quotes no value, and nothing is changed."""
    for path in ("/opened", "/watched"):
        made = await client.post(path, json={"name": "a"})
        place = made.headers["Location"]
        for value in REFUSED[backend.name]:
            body = {"name": "b", "data": value}
            for method, url in (("POST", path), ("PATCH", place)):
                answer = await client.request(method, url, json=body)
                pointers = [each["pointer"] for each in answer.json().get("errors", ())]
                assert (answer.status_code, pointers) == (422, ["/data"]), (value, answer.text)
        listed = await client.get(path)
        assert [each["name"] for each in listed.json()["items"]] == ["a"]
    assert "8531" not in caplog.text


@pytest.mark.long
async def test_in_a_batch_it_names_its_operation(backend: Any, client: httpx2.AsyncClient) -> None:
    """Rows of one statement, too."""
    for value in REFUSED[backend.name]:
        data = [{"name": "a"}, {"name": "b", "data": value}]
        operations = [{"op": "create", "data": each} for each in data]
        answer = await client.post("/opened:batch", json={"operations": operations})
        pointers = [each["pointer"] for each in answer.json().get("errors", ())]
        assert (answer.status_code, pointers) == (422, ["/operations/1/data/data"]), answer.text
    assert (await client.get("/opened")).json()["items"] == []


@pytest.mark.long
async def test_of_several_all_are_named_that_were_sent(client: httpx2.AsyncClient) -> None:
    """Drivers and servers name one of them at best."""
    answer = await client.post("/two", json={"one": LIST, "other": LIST})
    pointers = {each["pointer"] for each in answer.json()["errors"]}
    assert answer.status_code == 422
    assert pointers
    assert pointers <= {"/one", "/other"}
    answer = await client.post("/two", json={"one": None, "other": LIST})
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/other"]


async def test_a_unique_key_that_is_refused_is_named(client: httpx2.AsyncClient) -> None:
    """An upsert looks for the row first."""
    answer = await client.post("/unique_ones?on_conflict=data", json={"data": LIST})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/data")


async def test_what_code_of_the_type_cannot_use_is_the_client_s(
    client: httpx2.AsyncClient,
) -> None:
    """Whatever it raises: it was written for other values than any JSON."""
    for value in ("x", [1], {"a": 1}):
        answer = await client.post("/opened", json={"halved": value})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/halved"


@pytest.mark.parametrize("path", ["/made", "/hooked"])
async def test_a_value_of_the_program_s_stays_its_mistake(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Whoever made it; the log names the column."""
    answer = await client.post(path, json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert f"made a value for {path[1:].title()}.data that" in caplog.text
    assert "8531" not in caplog.text


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_text_that_its_type_cannot_read_is_no_wrong_statement(served: KeptApp) -> None:
    """PostgreSQL calls both a syntax error; of that in a statement it says where it is."""
    faults = []
    for statement in ("SELECT to_tsquery('a b')", "SELECT to_tsquery('a'"):
        async with served.db.engine.connect() as connection:
            with pytest.raises(DBAPIError) as caught:
                await connection.execute(text(statement))
        faults.append(fault_of(caught.value).kind)
    assert faults == ["invalid_value", "schema_mismatch"]


@pytest.mark.parametrize("value", [{"a": 1}, {"it's": "a 'quote'"}, [1, "x"], {}])
async def test_no_object_is_stored_as_its_repr(client: httpx2.AsyncClient, value: Any) -> None:
    """asyncmy sent a dict as the text that Python shows of it, and others refuse it."""
    answer = await client.post("/loose", json={"data": value})
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/data"]
    assert (await client.get("/loose")).json()["items"] == []
