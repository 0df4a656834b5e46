"""fastapi-users with its SQLAlchemy models, over `SessionDep`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar

import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy import MetaData, func, select

from ormolu import Database, Model, SessionDep, after_commit, resource
from tests.fixtures.apps import client_of

SECRET = "s" * 32
ANN = {"email": "ann@example.com", "password": "secret123"}


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class User(SQLAlchemyBaseUserTableUUID, Base):
    __tablename__ = "users"


class Manager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """Notes who registered once that is stored."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET
    registered: ClassVar[list[str]] = []

    async def on_after_register(self, user: User, request: Any = None) -> None:
        users: Any = self.user_db
        after_commit(users.session, self.registered.append, user.email)


async def users_of(session: SessionDep) -> AsyncIterator[Any]:
    """Give what reads and stores users, as fastapi-users' documentation has it."""
    yield SQLAlchemyUserDatabase(session, User)


async def manager_of(users: Annotated[Any, Depends(users_of)]) -> AsyncIterator[Manager]:
    """Give what knows of passwords."""
    yield Manager(users)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who has registered in this test."""
    found: list[str] = []
    monkeypatch.setattr(Manager, "registered", found)
    return found


def make_app(db: Database) -> FastAPI:
    """Return an application with all routers of fastapi-users, and a resource of the users."""
    backend: AuthenticationBackend[User, uuid.UUID] = AuthenticationBackend(
        name="jwt",
        transport=BearerTransport(tokenUrl="login"),
        get_strategy=lambda: JWTStrategy(secret=SECRET, lifetime_seconds=600),
    )
    users = FastAPIUsers[User, uuid.UUID](manager_of, [backend])
    read, update = schemas.BaseUser[uuid.UUID], schemas.BaseUserUpdate
    app = FastAPI()
    db.attach(app)
    app.include_router(users.get_auth_router(backend))
    app.include_router(users.get_register_router(read, schemas.BaseUserCreate))
    app.include_router(users.get_users_router(read, update), prefix="/users")
    app.include_router(resource(User, path="/people", operations={"list", "read"}))
    return app


async def log_in(client: httpx2.AsyncClient, password: str) -> httpx2.Response:
    return await client.post("/login", data={"username": ANN["email"], "password": password})


@pytest.mark.long
async def test_accounts(database_url: str, registered: list[str]) -> None:
    """Registering, logging in and changing a password store what they say."""
    async with client_of(make_app(Database(database_url, metadata=Base.metadata))) as c:
        assert (await c.post("/register", json=ANN)).status_code == 201
        assert registered == [ANN["email"]]
        token = (await log_in(c, ANN["password"])).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await c.get("/users/me", headers=headers)).json()["email"] == ANN["email"]
        changed = await c.patch("/users/me", headers=headers, json={"password": "other1234"})
        assert changed.status_code == 200
        assert (await log_in(c, ANN["password"])).status_code == 400
        assert (await log_in(c, "other1234")).status_code == 200


@pytest.mark.long
async def test_refusals(database_url: str, registered: list[str]) -> None:
    """A second account of one address is refused; a resource of users shows no password."""
    db = Database(database_url, metadata=Base.metadata)
    async with client_of(make_app(db)) as client:
        assert (await client.post("/register", json=ANN)).status_code == 201
        assert (await client.post("/register", json=ANN)).status_code == 400
        assert registered == [ANN["email"]]
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(func.count()).select_from(User)) == 1
        (shown,) = (await client.get("/people")).json()["items"]
        assert "hashed_password" not in shown
        assert (await client.get(f"/people/{shown['id']}")).json() == shown
