"""What no program on SQLAlchemy's Session gets below: its calls, without asyncio around them.

Each blocks the event loop until the disk has answered. It is here to be compared with, not to be
copied.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.orm import sessionmaker

from bench._blocking import make_blocking_engine
from bench.guide_model import Base, User

engine = make_blocking_engine(os.environ.get("DATABASE_URL", "sqlite://"))
maker = sessionmaker(engine, expire_on_commit=False)


class UserIn(BaseModel):
    name: str


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    Base.metadata.create_all(engine)
    yield
    engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/users/", status_code=201)
async def create_user(user_in: UserIn) -> dict[str, int | str]:
    with maker() as session:
        user = User(name=user_in.name)
        session.add(user)
        session.commit()
        return {"id": user.id, "name": user.name}


@app.get("/users/{user_id}")
async def read_user(user_id: int) -> dict[str, int | str]:
    with maker() as session:
        user = session.get(User, user_id)
        if user is None:
            raise HTTPException(status_code=404, detail="User not found")
        return {"id": user.id, "name": user.name}
