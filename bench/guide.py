"""The guide's program as it teaches it: the lower end of the scale."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.guide_model import Base, User

url = os.environ["DATABASE_URL"].replace("sqlite://", "sqlite+aiosqlite://")
engine = create_async_engine(url)
maker = async_sessionmaker(engine, expire_on_commit=False)


class UserIn(BaseModel):
    name: str


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


@app.post("/users/")
async def create_user(user_in: UserIn, db: Session) -> dict[str, int | str]:
    user = User(name=user_in.name)
    db.add(user)
    await db.commit()
    await db.refresh(user)
    return {"id": user.id, "name": user.name}


@app.get("/users/{user_id}")
async def read_user(user_id: int, db: Session) -> dict[str, int | str]:
    user = await db.get(User, user_id)
    if user is None:
        raise HTTPException(status_code=404, detail="User not found")
    return {"id": user.id, "name": user.name}
