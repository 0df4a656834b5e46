"""Code of the program's own may look at the request that it works for, or at the clock."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, field_validator
from sqlalchemy import MetaData, String, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]

# Who asks.
asking: ContextVar[str] = ContextVar("asking", default="nobody")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Sealed(TypeDecorator[str]):
    """A text that each reads and writes with their own name."""

    impl = String(50)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return None if value is None else value.removeprefix(f"{asking.get()}:")

    def process_result_value(self, value: str | None, _dialect: Any) -> str | None:
        return f"{asking.get()}:{value}"


class Letter(Base):
    __tablename__ = "context_letters"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Sealed)


class Page(Base):
    __tablename__ = "context_pages"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(50))


class ShownPage(BaseModel):
    id: int
    title: str

    @field_validator("title")
    @classmethod
    def translate(cls, value: str) -> str:
        return f"{value} for {asking.get()}"


class Introduction:
    """Middleware that notes who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asking.set(dict(scope["headers"]).get(b"x-name", b"nobody").decode())
        await self._app(scope, receive, send)


def introduce(app: FastAPI) -> None:
    app.add_middleware(Introduction)


letters = resource(Letter, writable={"id"})
pages = resource(Page, writable={"id"}, public_model=ShownPage)


def named(name: str) -> dict[str, Any]:
    return {"headers": {"x-name": name}}


@pytest.mark.parametrize("path", ["/context_letters", "/context_pages"])
async def test_lists_asked_for_together(twin_urls: Urls, path: str) -> None:
    """Each has what is theirs, though the rows are read once."""
    async with twins_of(twin_urls, Base.metadata, letters, pages, prepare=introduce) as twins:
        await twins.execute(
            "INSERT INTO context_letters VALUES (1, 'a'), (2, 'b')",
            "INSERT INTO context_pages VALUES (1, 'a'), (2, 'b')",
        )
        for query in ("", "?limit=1", "?sort=-id"):
            await twins.through("GET", f"{path}{query}", **named("ann"))
            before = twins.answered
            await twins.send_all(
                [("GET", f"{path}{query}", named(f"name {number}")) for number in range(9)]
            )
            assert twins.answered == before + 9


async def test_filter_on_what_depends_on_the_request(twin_urls: Urls) -> None:
    """The value is written for the one who asks, not for the first who asked so."""
    async with twins_of(twin_urls, Base.metadata, letters, prepare=introduce) as twins:
        await twins.execute("INSERT INTO context_letters VALUES (1, 'a'), (2, 'b')")
        for name in ("ann", "ann", "bob", "ann", "bob"):
            answer = await twins.send("GET", "/context_letters?text=ann:a", **named(name))
            assert len(answer.json()["items"]) == (name == "ann")
        await twins.through("GET", "/context_letters?text=ann:a", **named("ann"))
