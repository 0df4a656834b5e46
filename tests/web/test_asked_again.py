"""Middleware that asks once more with the scope of a request that is over asks anew."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ormolu import Database, Model, Policy, SessionDep, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Letter(Base):
    __tablename__ = "again_letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]


class AsksAgain:
    """Drops an answer that is an error, and asks as somebody who may ask, or for another path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        dropped: list[Message] = []
        status = 0

        async def hold(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            dropped.append(message)

        await self.app(scope, receive, hold)
        if status < 400:
            for message in dropped:
                await send(message)
        elif status == 404:
            scope["path"], scope["raw_path"] = "/letters/1", b"/letters/1"
            await self.app(scope, receive, send)
        else:
            scope["headers"] = [*scope["headers"], (b"x-tenant", b"1")]
            await self.app(scope, receive, send)
        return None


async def tenant_of(x_tenant: Annotated[int | None, Header()] = None) -> int:
    if x_tenant is None:
        raise HTTPException(401)
    return x_tenant


async def mine(tenant: Annotated[int, Depends(tenant_of)]) -> Policy:
    return Policy(visible=Letter.tenant == tenant)


@pytest.mark.parametrize(
    ("path", "tenant", "shown"), [("/letters", "", [1]), ("/letters/2", "1", 1), ("/count", "", 2)]
)
async def test_second_answer(database_url: str, path: str, tenant: str, shown: Any) -> None:
    """Nothing of the first request is left: no refusal, no session that is over."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.add_middleware(AsksAgain)
    app.include_router(resource(Letter, path="/letters", policy=mine))

    @app.get("/count")
    async def count(session: SessionDep, _tenant: Annotated[int, Depends(tenant_of)]) -> int:
        return len((await session.scalars(Letter.__table__.select())).all())

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add_all([Letter(id=1, tenant=1), Letter(id=2, tenant=2)])
        headers = {"X-Tenant": tenant} if tenant else {}
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 200
        body = answer.json()
    if path == "/letters":
        body = [each["id"] for each in body["items"]]
    assert (body["id"] if path == "/letters/2" else body) == shown
