"""Factories make rows that a database takes: relations once, numbers by the database."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import ForeignKey, MetaData, String, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model
from ormolu.testing import ModelFactory


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Country(Base):
    __tablename__ = "made_countries"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    towns: Mapped[list[Town]] = relationship(back_populates="country")


class Town(Base):
    __tablename__ = "made_towns"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))
    country_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Country.id))
    country: Mapped[Country] = relationship(back_populates="towns")
    twin_id: Mapped[int | None] = mapped_column(ForeignKey("made_towns.id"))
    twin: Mapped[Town | None] = relationship(remote_side="Town.id")
    version: Mapped[int] = mapped_column(server_default="1")


class TownFactory(ModelFactory[Town]):
    __model__ = Town


class CountryFactory(ModelFactory[Country]):
    __model__ = Country


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[AsyncSession]:
    database = Database(database_url, metadata=Base.metadata)
    async with database, database.unit_of_work() as session:
        yield session


async def test_what_a_row_needs_is_made(session: AsyncSession) -> None:
    """A town has a country of its own, which the foreign key is of, and nothing beside."""
    towns = await TownFactory.add_batch_to(session, 3)
    assert [town.country_id for town in towns] == [town.country.id for town in towns]
    assert all(town.twin_id is None and len(town.name) <= 10 for town in towns)
    assert len({town.id for town in towns}) == 3
    assert await session.scalar(select(func.count()).select_from(Country)) == 3


async def test_what_is_given_is_taken(session: AsyncSession) -> None:
    """A foreign key, an object or a value is not left to chance, and no second object is made."""
    country = await CountryFactory.add_to(session, name="Peru")
    by_key = await TownFactory.add_to(session, country_id=country.id)
    by_object = await TownFactory.add_to(session, country=country, name="Lima")
    assert (by_key.country_id, by_object.country_id) == (country.id, country.id)
    assert by_object.name == "Lima"
    assert await session.scalar(select(func.count()).select_from(Country)) == 1
