"""A table, and an application that writes into it."""

from typing import Any

from fastapi import FastAPI
from sqlalchemy import MetaData, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)


def attached(app: FastAPI, **options: Any) -> Database:
    """Attach a database in memory to an application, and return it."""
    db = Database("sqlite://", metadata=Base.metadata, **options)
    db.attach(app)
    return db


async def texts(db: Database) -> list[str]:
    """Return what is stored."""
    async with db.unit_of_work(read_only=True) as session:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))
