"""Columns of Pydantic's secrets: stored as they are, by who may write them, and never shown."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from sqlalchemy import JSON, Dialect, ForeignKey, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates
from sqlalchemy.types import TypeDecorator

from ormolu import ConfigurationError, Database, Model, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Link(BaseModel):
    """Has a secret within."""

    url: str
    key: SecretStr


class Reversed(TypeDecorator[SecretStr]):
    """Takes and reads secrets, as it is told by `Mapped[...]`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else value.get_secret_value()[::-1]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else SecretStr(value[::-1])


class Telling(Reversed):
    """Says itself what its values are."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> SecretStr | None:
        return None if value is None else SecretStr(value[::-1])


class Safe(Base):
    __tablename__ = "safes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[SecretStr | None] = mapped_column(Text)
    short: Mapped[SecretStr | None] = mapped_column(String(8))
    document: Mapped[SecretStr | None] = mapped_column(JSON)
    several: Mapped[list[SecretStr] | None] = mapped_column(JSON)
    link: Mapped[Link | None] = mapped_column(JSON)
    number: Mapped[Secret[int] | None] = mapped_column(Integer)
    raw: Mapped[SecretBytes | None] = mapped_column(LargeBinary(20))
    told: Mapped[SecretStr | None] = mapped_column(Reversed)
    telling: Mapped[Any] = mapped_column(Telling, nullable=True)


class Watched(Base):
    """Written by the ORM."""

    __tablename__ = "watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[SecretStr | None] = mapped_column(JSON)

    @validates("document")
    def check(self, _name: str, value: Any) -> Any:
        return value


class Guest(Base):
    __tablename__ = "guests"
    id: Mapped[int] = mapped_column(primary_key=True)
    safe_id: Mapped[int | None] = mapped_column(ForeignKey("safes.id"))
    safe: Mapped[Safe | None] = relationship()


class Given(BaseModel):
    """A body of the program's own."""

    text: SecretStr | None = None
    link: Link | None = None
    told: SecretStr | None = None


SENT: dict[str, tuple[Any, Any]] = {
    "text": ("hunter2", "hunter2"),
    "short": ("hunter2", "hunter2"),
    "document": ("hunter2", "hunter2"),
    "several": (["hunter2", "b"], ["hunter2", "b"]),
    "link": ({"url": "u", "key": "hunter2"}, {"url": "u", "key": "hunter2"}),
    "number": (8531, 8531),
    "raw": ("aHVudGVyMg==", b"hunter2"),
    "told": ("hunter2", "2retnuh"),
    "telling": ("hunter2", "2retnuh"),
}
METADATA = Base.metadata
safes = resource(Safe, writable=SENT.keys())
ROUTERS = (
    safes,
    resource(Safe, path="/given", writable=SENT.keys(), create_model=Given),
    resource(Watched, writable={"document"}),
    resource(Guest, includes={"safe": safes}),
)


@pytest.mark.long
@pytest.mark.parametrize("name", SENT)
async def test_a_secret_is_stored_and_never_shown(twin_urls: tuple[str, str], name: str) -> None:
    """By nobody who reads, filters, sorts or includes, though clients may write it."""
    sent, stored = SENT[name]
    async with twins_of(twin_urls, METADATA, *ROUTERS) as twins:
        made = await twins.send("POST", "/safes", json={name: sent})
        assert (made.status_code, made.json()) == (201, {"id": 1}), made.text
        assert (await twins.send("PATCH", "/safes/1", json={name: sent})).json() == {"id": 1}
        assert (await twins.send("POST", "/guests", json={"safe_id": 1})).status_code == 201
        for path in ("/safes", "/safes/1", "/guests?include=safe"):
            answer = await twins.send("GET", path)
            assert answer.status_code == 200
            assert "hunter2" not in answer.text
            assert "*" not in answer.text
        for query in (f"{name}__isnull=true", f"sort={name}", f"fields={name}"):
            assert (await twins.send("GET", f"/safes?{query}")).status_code == 422
        column = Safe.__table__.columns[name]
        plain = Text() if isinstance(column.type, TypeDecorator) else column.type
        for db in twins.databases:
            async with db.unit_of_work() as session:
                found = await session.scalar(sa.select(sa.type_coerce(column, plain)))
            assert found == stored


@pytest.mark.long
async def test_bodies_of_the_program_and_the_orm_store_secrets_too(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, METADATA, *ROUTERS) as twins:
        sent = {name: SENT[name][0] for name in ("text", "link", "told")}
        made = await twins.send("POST", "/given", json=sent)
        assert (made.status_code, made.json()) == (201, {"id": 1}), made.text
        assert (await twins.send("POST", "/watched", json={"document": "x"})).json() == {"id": 1}
        for db in twins.databases:
            async with db.unit_of_work() as session:
                row = (await session.execute(sa.select(Safe.text, Safe.link, Safe.told))).one()
                document = await session.scalar(sa.select(Watched.document))
            assert row[2] is not None
            assert (*row[:2], row[2].get_secret_value(), document) == (*sent.values(), "x")


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_a_secret_that_nobody_opens_is_not_written(database_url: str) -> None:
    """As a password that is hashed."""
    app = FastAPI()
    Database(database_url, metadata=METADATA).attach(app)
    app.include_router(resource(Safe, path="/closed"))
    async with client_of(app) as client:
        for name, (sent, _) in SENT.items():
            assert (await client.post("/closed", json={name: sent})).status_code == 422
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["SafeCreate"]["properties"] == {}


def test_a_secret_is_refused_where_it_would_have_to_be_shown() -> None:
    """As a key, to search in, or where a row needs one that nobody may send."""

    class Own(Model):
        __abstract__ = True
        metadata = MetaData()

    class Needy(Own):
        __tablename__ = "needy"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[SecretStr] = mapped_column(Text)

    class Keyed(Own):
        __tablename__ = "keyed"
        word: Mapped[SecretStr] = mapped_column(String(20), primary_key=True)

    refused: list[tuple[str, Any, dict[str, Any]]] = [
        ("name it in writable", Needy, {}),
        ("stands in a path", Keyed, {"writable": {"word"}}),
        ("holds no text", Safe, {"searchable": {"text"}}),
    ]
    for words, model, options in refused:
        with pytest.raises(ConfigurationError, match=words):
            resource(model, path="/refused", **options)
