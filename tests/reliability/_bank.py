"""The application under test: hand-written routes that create, read, update and delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import MetaData, delete
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep


class Bank(Model):
    """Tables of their own: other tests have theirs."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class User(Bank):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    visits: Mapped[int] = mapped_column(default=0)


class Event(Bank):
    """Written together with a user: half a commit shows as a user without it."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def database_of(url: str, **options: Any) -> Database:
    """Return the bank's database; with one connection per pool a lost one shows soon."""
    # A busy machine is no outage.
    given = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2.0, "connect_timeout": 10.0}
    return Database(url, metadata=Bank.metadata, **{**given, **options})


def app_of(db: Database, **options: Any) -> FastAPI:
    """Return an application with one route per operation; the options are those of `attach`."""
    app = FastAPI()
    db.attach(app, **options)

    @app.post("/users/", status_code=201)
    async def create(name: str, session: SessionDep) -> dict[str, int | str]:
        user = User(name=name)
        session.add(user)
        await session.flush()
        session.add(Event(name=name))
        return {"id": user.id, "name": user.name}

    @app.get("/users/{user_id}")
    async def read(user_id: int, session: SessionDep) -> dict[str, int | str]:
        user = await session.get_one(User, user_id)
        return {"id": user.id, "name": user.name, "visits": user.visits}

    @app.post("/users/{user_id}/visits")
    async def visit(user_id: int, session: SessionDep) -> int:
        user = await session.get_one(User, user_id, with_for_update=True)
        user.visits += 1
        return user.visits

    @app.delete("/users/{user_id}", status_code=204)
    async def remove(user_id: int, session: SessionDep) -> None:
        user = await session.get_one(User, user_id)
        await session.delete(user)
        await session.execute(delete(Event).where(Event.name == user.name))

    return app


@dataclass(frozen=True)
class State:
    """What is stored: users with their visits, and the names of the events."""

    users: tuple[tuple[str, int], ...]
    events: tuple[str, ...]

    def with_user(self, name: str) -> State:
        """Return the state after a user was created."""
        users = tuple(sorted((*self.users, (name, 0))))
        return State(users, tuple(sorted((*self.events, name))))


SEEDED = State((("Ada", 0),), ("Ada",))


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One request, and what is stored once it was answered with success."""

    name: str
    method: str
    path: str
    result: State

    async def send(self, client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.request(self.method, self.path)

    def __str__(self) -> str:
        return self.name


OPERATIONS = (
    Operation(
        name="create", method="POST", path="/users/?name=Bob", result=SEEDED.with_user("Bob")
    ),
    Operation(name="read", method="GET", path="/users/1", result=SEEDED),
    Operation(
        name="update",
        method="POST",
        path="/users/1/visits",
        result=State((("Ada", 1),), ("Ada",)),
    ),
    Operation(name="delete", method="DELETE", path="/users/1", result=State((), ())),
)
