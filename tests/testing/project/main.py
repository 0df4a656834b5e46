"""The application of a project whose tests use the kit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from sqlalchemy import MetaData, func, select
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep, after_commit, resource


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Town(Base):
    __tablename__ = "towns"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Run beside the requests, as task groups do: begun and ended by one task."""
    async with asyncio.TaskGroup():
        yield {"greeting": "hello"}


db = Database(os.environ.get("PROJECT_URL", "sqlite:///real.db"), metadata=Base.metadata)
app = FastAPI(lifespan=lifespan)
db.attach(app)
app.include_router(resource(Town))
told: list[str] = []


async def found_later(name: str) -> None:
    async with db.unit_of_work() as session:
        session.add(Town(name=name))


@app.get("/greeting")
async def greet(request: Request) -> str:
    return str(request.state.greeting)


@app.post("/found")
async def found(session: SessionDep, name: str, tasks: BackgroundTasks) -> int:
    session.add(Town(name=name))
    after_commit(session, told.append, name)
    tasks.add_task(found_later, f"{name} II")
    return await session.scalar(select(func.count()).select_from(Town)) or 0


@app.post("/refused")
async def refused(session: SessionDep) -> None:
    async with session.begin_nested():
        session.add(Town(name="nowhere"))
    raise HTTPException(400)


@app.post("/crash")
async def crash() -> None:
    raise ZeroDivisionError


@app.websocket("/towns/live")
async def live(socket: WebSocket) -> None:
    await socket.accept()
    name = await socket.receive_text()
    async with db.unit_of_work() as session:
        session.add(Town(name=name))
    await socket.send_text("stored")
    await socket.close()
