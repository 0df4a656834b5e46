"""The guide's program as it teaches it: the lower end of the scale."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from bench.programs.plain_model import Base, User
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts

engine = create_async_engine(os.environ["DATABASE_URL"])
maker = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def get_db() -> AsyncIterator[AsyncSession]:
    async with maker() as session:
        yield session


app = FastAPI(lifespan=lifespan)
Session = Annotated[AsyncSession, Depends(get_db)]


@app.post("/users/", response_model=UserOut)
async def create_user(user_in: UserIn, db: Session) -> User:
    user = User(name=user_in.name)
    db.add(user)
    await db.commit()
    await db.refresh(user)
    return user


@app.get("/users/", response_model=list[UserOut])
async def list_users(db: Session, limit: int = 100) -> Sequence[User]:
    result = await db.execute(select(User).limit(limit))
    return result.scalars().all()


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: int, db: Session) -> User:
    user = await db.get(User, user_id)
    if user is None:
        raise HTTPException(status_code=404, detail="User not found")
    return user


@app.patch("/users/{user_id}", response_model=UserOut)
async def change_user(user_id: int, change: UserChange, db: Session) -> User:
    user = await db.get(User, user_id)
    if user is None:
        raise HTTPException(status_code=404, detail="User not found")
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(user, name, value)
    await db.commit()
    await db.refresh(user)
    return user


@app.get("/users/{user_id}/posts", response_model=UserWithPosts)
async def read_user_with_posts(user_id: int, db: Session) -> User:
    statement = select(User).where(User.id == user_id).options(selectinload(User.posts))
    user = (await db.execute(statement)).scalars().first()
    if user is None:
        raise HTTPException(status_code=404, detail="User not found")
    return user
