"""A PUT of a row that is there gives it what the program's own constructor makes of the values."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import JSON, MetaData, String
from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column
from sqlmodel import Field, SQLModel

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio

METADATA = MetaData()
made: list[int] = []


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = METADATA


class Posted(MappedAsDataclass, Base):
    __tablename__ = "object_posted"
    id: Mapped[int] = mapped_column(primary_key=True)
    v: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["f"])
    u: Mapped[str] = mapped_column(String(9), default="du")
    w: Mapped[str | None] = mapped_column(String(9), default=None)

    def __post_init__(self) -> None:
        made.append(self.id)


class Own(Base):
    __tablename__ = "object_own"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int | None]
    v: Mapped[str | None] = mapped_column(String(9), default="dv")
    u: Mapped[str | None] = mapped_column(String(9), default="du")

    def __init__(self, id: int, n: int | None = None, v: str | None = "init") -> None:  # noqa: A002
        if n == 7:
            message = "no 7"
            raise ValueError(message)
        made.append(id)
        self.id, self.n, self.v = id, n if n is None else n * 2, v


class Filled(SQLModel, table=True):
    metadata = METADATA
    __tablename__ = "object_filled"
    id: int = Field(primary_key=True)
    n: int = 3
    v: list[str] = Field(default_factory=lambda: ["f"], sa_type=JSON)

    def model_post_init(self, _context: Any) -> None:
        if self.n is not None:
            self.n += 1


RESOURCES = [
    resource(Posted, path="/posted", writable={"id"}),
    resource(Own, path="/own", writable={"id"}),
    resource(Filled, path="/filled", writable={"id"}),
]
BODIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/posted", {}, {"v": ["f"], "u": "du"}),
    ("/posted", {"u": "x", "w": None}, {"v": ["f"], "u": "x", "w": None}),
    ("/own", {}, {"n": None, "v": "init", "u": "du"}),
    ("/own", {"n": 2, "v": None}, {"n": 4, "v": None, "u": "du"}),
    ("/filled", {}, {"v": ["f"]}),
]


@pytest.mark.long
async def test_as_a_new_row(database_url: str) -> None:
    """The same values, by whichever way the row came to be; the constructor runs once."""
    app = FastAPI()
    Database(database_url, metadata=METADATA).attach(app)
    for each in RESOURCES:
        app.include_router(each)
    async with client_of(app) as client:
        for number, (path, body, expected) in enumerate(BODIES, 1):
            posted = await client.post(path, json={"id": number + 50, **body})
            assert posted.status_code == 201, posted.text
            rest = {name: value for name, value in posted.json().items() if name != "id"}
            assert rest | expected == rest
            for status in (201, 200, 200):
                made.clear()
                put = await client.put(f"{path}/{number}", json=body)
                assert (put.status_code, put.json()) == (status, {"id": number, **rest}), put.text
                assert made in ([number], [])
        refused = await client.put("/own/3", json={"n": 7})
        assert refused.status_code == 422
        assert (await client.put("/own/99", json={"n": 7})).status_code == 422
