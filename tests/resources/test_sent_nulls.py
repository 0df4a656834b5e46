"""NULL that a client sends for a column with a default: stored, whoever writes the model."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String
from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column, validates
from sqlmodel import Field, SQLModel

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Noted:
    """Columns that have something where nothing is sent."""

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str | None] = mapped_column(String(20), default="new")
    count: Mapped[int | None] = mapped_column(default=lambda: 7)
    state: Mapped[str | None] = mapped_column(String(20), server_default="open")


class Plain(Noted, Base):
    __tablename__ = "null_plain"


class Validated(Noted, Base):
    __tablename__ = "null_validated"

    @validates("note", "count", "state")
    def check(self, _name: str, value: Any) -> Any:
        assert value is None or isinstance(value, str | int)
        return value


class Made(Noted, Base):
    __tablename__ = "null_made"

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.is_made = True


class Listed(MappedAsDataclass, Base):
    __tablename__ = "null_listed"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    note: Mapped[str | None] = mapped_column(String(20), default="new")
    count: Mapped[int | None] = mapped_column(default=7)
    state: Mapped[str | None] = mapped_column(String(20), default="open")

    def __post_init__(self) -> None:
        self.is_made = True


class Typed(SQLModel, table=True):
    __tablename__ = "null_typed"
    metadata = Base.metadata
    id: int | None = Field(default=None, primary_key=True)
    note: str | None = Field(default=None, sa_column=Column(String(20), default="new"))
    count: int | None = Field(default=7)
    state: str | None = Field(default=None, sa_column=Column(String(20), server_default="open"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


DEFAULTS = {"note": "new", "count": 7, "state": "open"}
NULLS = dict.fromkeys(DEFAULTS)


@pytest.mark.long
@pytest.mark.parametrize("model", [Plain, Validated, Made, Listed, Typed])
async def test_null_is_no_default(twin_urls: tuple[str, str], model: Any) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(model, path="/rows")) as twins:
        made = await twins.send("POST", "/rows", json=NULLS)
        assert made.json() == {"id": 1, **NULLS}, made.text
        assert (await twins.send("GET", "/rows/1")).json() == made.json()
        bare = await twins.send("POST", "/rows", json={})
        assert bare.json() == {"id": 2, **DEFAULTS}
        half = await twins.send("POST", "/rows", json={"note": None})
        assert half.json() == {"id": 3, **DEFAULTS, "note": None}
        operations = [{"op": "create", "data": each} for each in (NULLS, {})]
        batch = await twins.send("POST", "/rows:batch", json={"operations": operations})
        shown = [each["body"] for each in batch.json()["results"]]
        assert shown == [{"id": 4, **NULLS}, {"id": 5, **DEFAULTS}]
        changed = await twins.send("PATCH", "/rows/5", json=NULLS)
        assert changed.json() == {"id": 5, **NULLS}
