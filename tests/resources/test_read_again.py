"""What a client sends can be read again, and what it asks for is on this backend: else a 422."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import JSON, Dialect, MetaData, String, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from ormolu import Database, RefusedError, resource
from tests.fixtures.backends import Backend
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Part(BaseModel):
    """The base of those that are read, which have more fields."""

    type: Literal["text", "image"]


class Words(Part):
    text: str


class Parts(TypeDecorator[list[Part]]):
    """Writes any part, and reads each as what it says to be."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else [each.model_dump() for each in value]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else [Words(**each) for each in value]


class Coded(TypeDecorator[dict[str, Any]]):
    """Writes what it cannot read."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else TypeAdapter(dict[str, Any]).validate_json(value)


class Base(DeclarativeBase):
    metadata = MetaData()


class Message(Base):
    __tablename__ = "read_messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(20))
    parts: Mapped[list[Part] | None] = mapped_column(Parts)
    extra: Mapped[dict[str, Any] | None] = mapped_column(Coded)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "value"), [("parts", [{"type": "text", "text": "a"}]), ("extra", {"a": "b"})]
)
async def test_what_could_not_be_read_is_not_stored(
    twin_urls: tuple[str, str], name: str, value: Any
) -> None:
    """It was stored, shown as null, and gone."""
    async with twins_of(twin_urls, Base.metadata, resource(Message, path="/messages")) as twins:
        refused = await twins.send("POST", "/messages", json={name: value})
        (wrong,) = refused.json()["errors"]
        assert (refused.status_code, wrong["pointer"]) == (422, f"/{name}")
        assert wrong["msg"] == "Cannot be stored: it could not be read"
        await twins.send("POST", "/messages", json={"title": "a"})
        changed = await twins.send("PATCH", "/messages/1", json={name: value})
        assert changed.status_code == 422
        fine: dict[str, Any] = {"parts": [], "extra": {}}
        answer = await twins.send("PATCH", "/messages/1", json=fine)
        assert answer.json() == {"id": 1, "title": "a", **fine}


class BitBase(DeclarativeBase):
    metadata = MetaData()


class Bits(BitBase):
    __tablename__ = "read_bits"
    id: Mapped[int] = mapped_column(primary_key=True)
    one: Mapped[Any] = mapped_column(postgresql.BIT)
    three: Mapped[Any] = mapped_column(postgresql.BIT(3))
    most: Mapped[Any] = mapped_column(postgresql.BIT(5, varying=True))
    any: Mapped[Any] = mapped_column(postgresql.BIT(varying=True))


def test_the_document_has_the_form_of_bits() -> None:
    """A client that goes by it sends no other text."""
    app = FastAPI()
    Database("sqlite://", metadata=BitBase.metadata).attach(app)
    app.include_router(resource(Bits, path="/bits"))
    members = app.openapi()["components"]["schemas"]["BitsCreate"]["properties"]
    assert {name: member["pattern"] for name, member in members.items()} == {
        "one": "^[01]{1}$", "three": "^[01]{3}$", "most": "^[01]{0,5}$", "any": "^[01]*$",
    }  # fmt: skip


class DocumentBase(DeclarativeBase):
    metadata = MetaData()


class Document(DocumentBase):
    __tablename__ = "read_documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any] | None] = mapped_column(postgresql.JSONB)


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg")
async def test_documents_are_looked_into_by_postgresql_alone(
    twin_urls: tuple[str, str], backend: Backend
) -> None:
    """SQLAlchemy makes tables of its JSONB on SQLite too, where the operator is none."""
    router = resource(Document, path="/documents")
    async with twins_of(twin_urls, DocumentBase.metadata, router) as twins:
        made = await twins.send("POST", "/documents", json={"body": {"a": 1}})
        asked = [
            await twins.send("GET", '/documents?body__contains={"a":1}'),
            await twins.send(
                "POST", "/documents:query", json={"where": {"not": {"body__contains": {"a": 2}}}}
            ),
        ]
        for answer in asked:
            if backend.is_postgresql:
                assert answer.json()["items"] == [made.json()]
                continue
            (wrong,) = answer.json()["errors"]
            assert (answer.status_code, wrong["loc"]) == (422, ["body__contains"])
            assert wrong["msg"] == "Only PostgreSQL looks into documents and lists"


@pytest.mark.backends("sqlite")
async def test_from_python_it_is_refused_too(database_url: str) -> None:
    db = Database(database_url, metadata=DocumentBase.metadata)
    documents = resource(Document, path="/documents")
    async with db, db.unit_of_work() as session:
        with pytest.raises(RefusedError, match="Only PostgreSQL looks into documents"):
            await documents.list(session, where={"body__contains": {"a": 1}})
