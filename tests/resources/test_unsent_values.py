"""A value that a type refuses before it is sent: whose it is, and which column it was for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, String, event
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column, validates
from sqlmodel import Field, SQLModel

from ormolu import Database, Model, SessionDep, resource
from ormolu.models import UTCDateTime
from tests.fixtures.kept import KeptApp, keep_running
from tests.resources.refusing import Even, Picky

pytestmark = pytest.mark.anyio

METADATA = MetaData()


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = METADATA


def fails() -> int:
    message = "8531"
    raise ValueError(message)


class Scalar(Base):
    __tablename__ = "scalars"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int] = mapped_column("size_of", Even, default=8531)


class Called(Base):
    __tablename__ = "called"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int] = mapped_column(Even, default=lambda: "8531")


class Failing(Base):
    __tablename__ = "failing"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int] = mapped_column(default=fails)


class Touched(Base):
    __tablename__ = "touched"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int | None] = mapped_column(Even, onupdate=8531)


class Made(MappedAsDataclass, Base):
    __tablename__ = "made"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int] = mapped_column(Even, default_factory=lambda: 8531)


class Heard(Base):
    __tablename__ = "heard"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int | None] = mapped_column(Even)


@event.listens_for(Heard, "before_insert")
def _change(_mapper: object, _connection: object, target: Heard) -> None:
    target.size = 8531


class Kept(Base):
    __tablename__ = "kept"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int | None] = mapped_column(Even)

    @validates("size")
    def add(self, _name: str, value: Any) -> Any:
        return value + 8529


class Hooked(Base):
    __tablename__ = "hooked"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int | None] = mapped_column(Even)


class Naive(SQLModel, table=True):
    metadata = METADATA
    __tablename__ = "naive"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    size: datetime = Field(default_factory=lambda: datetime(8531, 1, 1), sa_type=UTCDateTime)


class Code(Base):
    __tablename__ = "codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column("code", Picky)
    even: Mapped[int | None] = mapped_column(Even)


async def odd(_session: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**values, "size": 8531}


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=METADATA)
    db.attach(app)
    for model in (Scalar, Called, Failing, Touched, Made, Heard, Kept, Code):
        app.include_router(resource(model))
    app.include_router(resource(Naive, read_only={"size"}))
    hooks: Any = {"before_create": odd, "before_update": odd}
    app.include_router(resource(Hooked, hooks=hooks))

    @app.post("/scalars-by-hand", status_code=201)
    async def make(session: SessionDep) -> None:
        session.add(Scalar(name="a"))

    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(
    served: KeptApp, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx2.AsyncClient]:
    caplog.set_level(logging.WARNING, "ormolu")
    async with served.client() as found:
        yield found


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/scalars", "Scalar.size"), ("/called", "Called.size"), ("/failing", "Failing.size"),
        ("/made", "Made.size"), ("/heard", "Heard.size"), ("/hooked", "Hooked.size"),
        ("/naive", "Naive.size"), ("/scalars-by-hand", "Scalar.size"),
    ],
)  # fmt: skip
async def test_what_the_program_makes_is_its_mistake(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, place: str
) -> None:
    """Whoever made it; the log names the column, and no value."""
    answer = await client.post(path, json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert f"made a value for {place} that" in caplog.text
    assert "8531" not in caplog.messages[0]


@pytest.mark.parametrize("path", ["/heard", "/hooked", "/kept"])
async def test_what_is_made_of_a_value_of_a_client_s_is_the_program_s(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A client that sends a fine value is not to blame for what becomes of it."""
    answer = await client.post(path, json={"name": "a", "size": 2})
    assert answer.status_code == 500
    assert ".size that" in caplog.text


async def test_what_a_change_makes_is_the_program_s(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """`onupdate`, in a single change and in a batch."""
    assert (await client.post("/touched", json={"name": "a"})).status_code == 201
    assert (await client.patch("/touched/1", json={"name": "b"})).status_code == 500
    operations = [{"op": "update", "id": 1, "data": {"name": "b"}}]
    answer = await client.post("/touched:batch", json={"operations": operations})
    assert answer.status_code == 500
    assert caplog.text.count("made a value for Touched.size") >= 2


async def test_what_a_client_sends_is_its_own(client: httpx2.AsyncClient) -> None:
    """At its field, whether the value is refused before the statement or with it."""
    for sent, pointer in (({"even": 3}, "/even"), ({"text": "x"}, "/text")):
        answer = await client.post("/codes", json=sent)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.post("/codes", json={"even": 2, "text": "1"})).status_code == 201
    refused = await client.patch("/codes/1", json={"text": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/text")
    operations = [{"op": "create", "data": {"text": text}} for text in ("1", "x")]
    batch = await client.post("/codes:batch", json={"operations": operations})
    assert batch.json()["errors"][0]["pointer"] == "/operations/1/data/text", batch.text


async def test_by_hand_the_error_names_the_column(database_url: str) -> None:
    """Of what a default made it says so, too; it quotes no value."""
    db = Database(database_url, metadata=METADATA)
    async with db:
        for row, words in (
            (Code(even=8531), r"on codes\.even"), (Called(name="a"), r"a value for Called\.size"),
        ):  # fmt: skip
            with pytest.raises(StatementError, match=words) as caught:
                async with db.unit_of_work() as session:
                    session.add(row)
            assert "8531" not in str(caught.value)
