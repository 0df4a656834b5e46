"""Classes whose columns another class has replaced in their table: refused at the start."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, column_property

from ormolu import ConfigurationError, Database, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite")]


class Base(DeclarativeBase):
    metadata = MetaData()


class Letter(Base):
    __tablename__ = "letters"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
    loud = column_property(name + "!")


class LetterAgain(Base):
    __tablename__ = "letters"
    __table_args__ = {"extend_existing": True}  # noqa: RUF012
    id = Column(Integer, primary_key=True)
    name = Column(String(20))


class LetterToo(Base):
    __table__ = LetterAgain.__table__


async def test_replaced_columns_are_named_at_the_start(database_url: str) -> None:
    """Reads would work, and each write would be a 500."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Letter, path="/letters"))
    with pytest.raises(ConfigurationError, match=r"'id' of Letter is no longer .* Map the table"):
        async with client_of(app):
            pass


async def test_those_that_the_table_has_are_fine(database_url: str) -> None:
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(LetterAgain, path="/again"))
    app.include_router(resource(LetterToo, path="/too"))
    async with client_of(app) as client:
        for path in ("/again", "/too"):
            made = await client.post(path, json={"name": "a"})
            assert made.status_code == 201, made.text
