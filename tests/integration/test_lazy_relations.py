"""Relations of other bases, which SQLAlchemy would load where nothing can be awaited."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, ForeignKey, String, Table, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from ormolu import Database, LazyLoadError, SessionDep
from tests.fixtures.apps import client_of


class Base(DeclarativeBase):
    """A base of a program's own."""


topics = Table(
    "song_topics",
    Base.metadata,
    Column("song_id", ForeignKey("songs.id"), primary_key=True),
    Column("topic_id", ForeignKey("topics.id"), primary_key=True),
)


class Singer(Base):
    __tablename__ = "singers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    teacher_id: Mapped[int | None] = mapped_column(ForeignKey("singers.id"))
    teacher: Mapped[Singer | None] = relationship(remote_side="Singer.id")
    songs: Mapped[list[Song]] = relationship(back_populates="singer", order_by="Song.id")


class Topic(Base):
    __tablename__ = "topics"
    id: Mapped[int] = mapped_column(primary_key=True)


class Song(Base):
    __tablename__ = "songs"
    id: Mapped[int] = mapped_column(primary_key=True)
    singer_id: Mapped[int] = mapped_column(ForeignKey("singers.id"))
    singer: Mapped[Singer] = relationship(back_populates="songs")
    topics: Mapped[list[Topic]] = relationship(secondary=topics)


class ShownSong(BaseModel):
    """A song with what leads to it."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    singer: Any


async def fill(db: Database) -> None:
    """Store a song, its singer and her teacher."""
    async with db.unit_of_work() as session:
        ann = Singer(name="Ann", teacher=Singer(name="Bo"))
        session.add(Song(singer=ann, topics=[Topic()]))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("model", "name", "option"),
    [
        (Song, "singer", r"joinedload\(Song.singer\)"),
        (Song, "topics", r"selectinload\(Song.topics\)"),
        (Singer, "songs", r"selectinload\(Singer.songs\)"),
        (Singer, "teacher", r"joinedload\(Singer.teacher\)"),
    ],
)
async def test_relation_that_is_not_loaded(
    database_url: str, model: type[Any], name: str, option: str, read_only: bool
) -> None:
    """The error names the relation and its loader option, not the table that it leads to."""
    async with Database(database_url, metadata=Base.metadata) as db:
        await fill(db)
        async with db.unit_of_work(read_only=read_only) as session:
            found = await session.scalars(select(model).order_by(model.id.desc()))
            with pytest.raises(LazyLoadError, match=rf"{name} was not loaded.*{option}"):
                getattr(found.first(), name)


async def test_relation_below_one_that_was_loaded(database_url: str) -> None:
    """Where options have loaded what is above it, the error names what is not."""
    async with Database(database_url, metadata=Base.metadata) as db:
        await fill(db)
        async with db.unit_of_work(read_only=True) as session:
            song = await session.get_one(Song, 1, options=[selectinload(Song.singer)])
            with pytest.raises(LazyLoadError, match=r"joinedload\(Singer.teacher\)"):
                _ = song.singer.teacher


async def test_response_model_with_a_relation(database_url: str) -> None:
    """A response model that asks for it tells the same."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)

    @app.get("/songs/{song_id}", response_model=ShownSong)
    async def read(song_id: int, session: SessionDep) -> Any:
        try:
            return ShownSong.model_validate(await session.get_one(Song, song_id))
        except ValueError as error:
            return {"id": 1, "singer": str(error)}

    async with client_of(app) as client:
        await fill(db)
        assert "joinedload(Song.singer)" in (await client.get("/songs/1")).json()["singer"]
