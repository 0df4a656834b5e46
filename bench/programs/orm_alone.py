"""The least that SQLAlchemy's ORM costs in an endpoint: its sync session, on the event loop.

A measure, not a way to write a service: one connection, and each statement, each sync of the disk
stands in everybody's way. What an async session adds, ours or another one, comes on top of it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import selectinload, sessionmaker
from sqlalchemy.pool import StaticPool

from bench.programs.plain_model import Base, User
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts

engine = create_engine(
    os.environ["DATABASE_URL"], poolclass=StaticPool, connect_args={"check_same_thread": False}
)
maker = sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine, "connect")
def set_up(connection: object, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    Base.metadata.create_all(engine)
    yield
    engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/users/", response_model=UserOut, status_code=201)
async def create_user(user_in: UserIn) -> User:
    with maker.begin() as session:
        user = User(name=user_in.name)
        session.add(user)
    return user


@app.get("/users/", response_model=list[UserOut])
async def list_users(limit: int = 100) -> Sequence[User]:
    with maker() as session:
        return session.scalars(select(User).order_by(User.id).limit(limit)).all()


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: int) -> User:
    with maker() as session:
        return session.get_one(User, user_id)


@app.patch("/users/{user_id}", response_model=UserOut)
async def change_user(user_id: int, change: UserChange) -> User:
    with maker.begin() as session:
        user = session.get_one(User, user_id)
        for name, value in change.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
    return user


@app.get("/users/{user_id}/posts", response_model=UserWithPosts)
async def read_user_with_posts(user_id: int) -> User:
    with maker() as session:
        return session.get_one(User, user_id, options=[selectinload(User.posts)])
