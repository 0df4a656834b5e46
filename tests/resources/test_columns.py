"""What follows from a column: who makes its values, the client or the server."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    Column,
    FetchedValue,
    Integer,
    MetaData,
    Sequence,
    String,
    false,
    func,
    literal,
    null,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, resource
from ormolu.resources._columns import _is_made
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Flag(Base):
    __tablename__ = "flags"
    name: Mapped[str] = mapped_column(String(9), primary_key=True)
    is_on: Mapped[bool] = mapped_column(server_default=true())
    is_old: Mapped[bool] = mapped_column(server_default=false())
    level: Mapped[int] = mapped_column(server_default=text("3"))


flags = resource(Flag)


@pytest.mark.parametrize(
    "default", ["x", true(), null(), literal("x"), text("'x'"), text("'lower(x)'"), text("1")]
)
def test_constant_defaults_may_be_chosen_otherwise(default: Any) -> None:
    """However they are written, in the program or in the table."""
    assert not _is_made(Column("a", String(9), server_default=default))
    assert not _is_made(Column("a", String(9), default=default))


@pytest.mark.parametrize("default", [func.random(), text("gen_random_uuid()"), text("(uuid())")])
def test_functions_of_the_database_are_the_server_s(default: Any) -> None:
    """However they are written, in the program or in the table."""
    assert _is_made(Column("a", String(40), server_default=default))
    assert _is_made(Column("a", String(40), default=default))


def test_triggers_and_sequences_are_the_server_s() -> None:
    """Their values are fetched."""
    assert _is_made(Column("a", Integer, FetchedValue()))
    assert _is_made(Column("a", Integer, Sequence("counts")))


async def test_flags_that_the_table_sets_can_be_sent(database_url: str) -> None:
    """A constant of the table's is a default, which comes back with a PUT."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(flags)
    made = {"name": "a", "is_on": True, "is_old": False, "level": 3}
    sent = {"name": "a", "is_on": False, "is_old": True, "level": 4}
    async with client_of(app) as client:
        assert (await client.post("/flags", json=sent)).json() == sent
        assert (await client.put("/flags/a", json={})).json() == made
        assert (await client.put("/flags/a", json={"level": 4, **sent})).json() == sent
