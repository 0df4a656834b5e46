"""The policies of what its relations lead to are asked for each request of an open resource."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import FastAPI, Header, HTTPException
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Letter(Base):
    __tablename__ = "asked_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(9))
    box_id: Mapped[int] = mapped_column(ForeignKey("asked_boxes.id"))


class Box(Base):
    __tablename__ = "asked_boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    letters: Mapped[list[Letter]] = relationship()


async def own(x_user: Annotated[str | None, Header()] = None) -> Policy:
    if x_user is None:
        raise HTTPException(401, "Log in.")
    return Policy(visible=Letter.owner == x_user)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/boxes", None, 200), ("GET", "/boxes?name=a&limit=3", None, 200),
        ("GET", "/boxes?include=letters", None, 200), ("GET", "/boxes/1", None, 200),
        ("POST", "/boxes", {"name": "b"}, 201), ("PATCH", "/boxes/1", {"name": "c"}, 200),
    ],
)  # fmt: skip
async def test_whoever_may_ask_for_relatives_may_ask(
    database_url: str, method: str, path: str, body: object, status: int
) -> None:
    """Whether a door has met such a request before, and whether the database has doors."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Letter, path="/letters", policy=own))
    app.include_router(resource(Box, path="/boxes", includes={"letters"}))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Box(name="a"))
        for headers, expected in (({}, 401), ({"X-User": "ann"}, status), ({}, 401)):
            for _ in range(3):
                answer = await client.request(method, path, json=body, headers=headers)
                assert answer.status_code == expected, answer.text
