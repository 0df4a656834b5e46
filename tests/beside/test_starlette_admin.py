"""starlette-admin over a Database: lists, forms, errors; beside a resource of the same table."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column
from starlette_admin.contrib.sqla import Admin, ModelView

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class City(Base):
    __tablename__ = "cities"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


def make_app(url: str) -> FastAPI:
    """Return an application with an admin of its cities."""
    app, db = FastAPI(), Database(url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(City))

    class AdminSession(AsyncSession):
        """A session over the engine of the event loop that it is made on."""

        def __init__(self, bind: Any = None, **options: Any) -> None:
            super().__init__(bind or db.engine, **options)

    sessions: Any = async_sessionmaker(class_=AdminSession, expire_on_commit=False)
    admin = Admin(sessions, secret_key="s" * 32)
    admin.add_view(ModelView(City))
    admin.mount_to(app)
    return app


async def send(client: httpx2.AsyncClient, path: str, **values: str) -> httpx2.Response:
    """Send a form as a browser does: with the token that is in it."""
    page = await client.get(path)
    assert page.status_code == 200
    token = re.search(r'name="csrftoken" value="([^"]+)"', page.text)
    assert token is not None
    return await client.post(path, data={**values, "csrftoken": token[1]})


@pytest.mark.long
async def test_forms(database_url: str) -> None:
    """What they store is shown by the resource, by its doors too, and the other way round."""
    async with client_of(make_app(database_url)) as client:
        assert (await client.post("/cities", json={"name": "Oslo"})).status_code == 201
        assert "Oslo" in (await client.get("/admin/city/list")).text
        assert (await send(client, "/admin/city/create", name="Rome")).status_code == 303
        assert (await send(client, "/admin/city/edit?pk=1", name="Bergen")).status_code == 303
        items = (await client.get("/cities")).json()["items"]
        assert [item["name"] for item in items] == ["Bergen", "Rome"]


@pytest.mark.long
async def test_refused_forms(database_url: str) -> None:
    """A constraint that a form violates is answered 409 and stores nothing; no lock is left."""
    async with client_of(make_app(database_url)) as client:
        assert (await client.post("/cities", json={"name": "Rome"})).status_code == 201
        assert (await send(client, "/admin/city/create", name="Rome")).status_code == 409
        assert (await client.post("/cities", json={"name": "Oslo"})).status_code == 201
        assert len((await client.get("/cities")).json()["items"]) == 2
