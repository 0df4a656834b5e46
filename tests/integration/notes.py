"""The tables and the application that these tests use, and a look at the rows from outside."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import MetaData, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool

from ormolu import Database, Model, SessionDep


class Base(Model):
    """Keeps these tables apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def make_database(url: str, **options: Any) -> Database:
    """Return a database with the tables of this file."""
    return Database(url, metadata=Base.metadata, **options)


def make_app(db: Database, **options: Any) -> FastAPI:
    """Return an application that stores and counts notes; the options are FastAPI's."""
    app = FastAPI(**options)
    db.attach(app)
    add_routes(app)
    return app


def add_routes(app: FastAPI) -> None:
    """Give an application the routes to store and to count notes."""

    @app.post("/notes", status_code=201)
    async def create(text: str, session: SessionDep) -> int:
        note = Note(text=text)
        session.add(note)
        await session.flush()
        return note.id

    @app.get("/notes")
    async def read(session: SessionDep) -> list[str]:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))


async def texts_in(url: str) -> list[str]:
    """Read the notes on a connection that is none of ours."""
    engine = create_async_engine(url.replace("sqlite:", "sqlite+ormolu:"), poolclass=NullPool)
    async with engine.connect() as connection:
        texts = list(await connection.scalars(select(Note.text).order_by(Note.id)))
    await engine.dispose()
    return texts
