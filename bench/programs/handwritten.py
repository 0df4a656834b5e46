"""Ordinary FastAPI endpoints on Ormolu's Database and SessionDep."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from bench.programs.ormolu_model import User
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts
from ormolu import Database, SessionDep

app = FastAPI()
Database().attach(app)


@app.post("/users/", response_model=UserOut, status_code=201)
async def create_user(user_in: UserIn, session: SessionDep) -> User:
    user = User(name=user_in.name)
    session.add(user)
    await session.flush()
    return user


@app.get("/users/", response_model=list[UserOut])
async def list_users(session: SessionDep, limit: int = 100) -> Sequence[User]:
    return (await session.scalars(select(User).order_by(User.id).limit(limit))).all()


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: int, session: SessionDep) -> User:
    return await session.get_one(User, user_id)


@app.patch("/users/{user_id}", response_model=UserOut)
async def change_user(user_id: int, change: UserChange, session: SessionDep) -> User:
    user = await session.get_one(User, user_id)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(user, name, value)
    return user


@app.get("/users/{user_id}/posts", response_model=UserWithPosts)
async def read_user_with_posts(user_id: int, session: SessionDep) -> User:
    return await session.get_one(User, user_id, options=[selectinload(User.posts)])
