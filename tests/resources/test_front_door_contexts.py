"""Code of the program's own may look at the request that it works for, or at the clock."""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, field_validator
from sqlalchemy import Integer, MetaData, String, TypeDecorator, bindparam, literal_column
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, foreign, mapped_column, relationship
from starlette.types import ASGIApp, Receive, Scope, Send

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]

today = [5]
turns = count()
TODAY = bindparam(None, callable_=lambda: today[0], type_=Integer)

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


class Offer(Base):
    __tablename__ = "context_offers"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    until: Mapped[int]

    @hybrid_property
    def is_over(self) -> bool:
        return self.until < today[0]

    @hybrid_property
    def label(self) -> int:
        return self.until * 2


class Visit(Base):
    __tablename__ = "context_visits"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int]

    @hybrid_property
    def turn(self) -> int:
        return self.at + next(turns)


class Mark(Base):
    __tablename__ = "context_marks"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    until: Mapped[int]
    moved: Mapped[int] = column_property(literal_column("1", Integer) + TODAY)


class Shop(Base):
    __tablename__ = "context_shops"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    marks: Mapped[list[Mark]] = relationship(
        primaryjoin=lambda: (Shop.id == foreign(Mark.id)) & (Mark.until >= TODAY), viewonly=True
    )


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
offers, visits, marks = (resource(model, writable={"id"}) for model in (Offer, Visit, Mark))
plain_marks = resource(Mark, path="/marks", hidden={"moved"})
shops = resource(Shop, writable={"id"}, includes={"marks": plain_marks})


def named(name: str) -> dict[str, Any]:
    return {"headers": {"x-name": name}}


@pytest.mark.long
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


@pytest.mark.long
async def test_filter_on_what_depends_on_the_request(twin_urls: Urls) -> None:
    """The value is written for the one who asks, not for the first who asked so."""
    async with twins_of(twin_urls, Base.metadata, letters, prepare=introduce) as twins:
        await twins.execute("INSERT INTO context_letters VALUES (1, 'a'), (2, 'b')")
        for name in ("ann", "ann", "bob", "ann", "bob"):
            answer = await twins.send("GET", "/context_letters?text=ann:a", **named(name))
            assert len(answer.json()["items"]) == (name == "ann")
        await twins.through("GET", "/context_letters?text=ann:a", **named("ann"))


@pytest.mark.long
async def test_hybrid_property_of_the_clock(
    twin_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what it is now, not what it was when its statement was made."""
    async with twins_of(twin_urls, Base.metadata, offers) as twins:
        await twins.through("POST", "/context_offers", json={"id": 1, "until": 7})
        for path in ("/context_offers/1", "/context_offers", "/context_offers?is_over=false"):
            await twins.through("GET", path)
        await twins.through("PATCH", "/context_offers/1", json={"until": 7})
        monkeypatch.setattr("tests.resources.test_front_door_contexts.today", [8])
        for path in ("/context_offers/1", "/context_offers", "/context_offers?is_over=false"):
            await twins.past("GET", path)
        answer = await twins.past("PATCH", "/context_offers/1", json={"until": 6})
        assert answer.json()["is_over"]


@pytest.mark.long
async def test_callables_are_asked_each_time(
    twin_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parameter that is a function is called for each request, by doors as by sessions."""
    async with twins_of(twin_urls, Base.metadata, marks, visits) as twins:
        await twins.execute("INSERT INTO context_marks VALUES (1, 7)")
        for path in ("/context_marks/1", "/context_marks", "/context_marks?moved__gt=0"):
            before = await twins.through("GET", path)
            monkeypatch.setattr("tests.resources.test_front_door_contexts.today", [9])
            after = await twins.through("GET", path)
            assert (before.text != after.text, '"moved":10' in after.text) == (True, True)
            monkeypatch.setattr("tests.resources.test_front_door_contexts.today", [1])
        await twins.send("PATCH", "/context_marks/1", json={"until": 8})
        await twins.send("POST", "/context_marks", json={"id": 2, "until": 8})
    assert {each.way for each in visits.explain() if each.operation == "read"} == {"front door"}


@pytest.mark.long
async def test_relation_of_the_clock(twin_urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its condition is computed for each request that follows it."""
    async with twins_of(twin_urls, Base.metadata, shops, plain_marks) as twins:
        await twins.execute(
            "INSERT INTO context_shops VALUES (1)", "INSERT INTO context_marks VALUES (1, 7)"
        )
        paths = [f"/context_shops{path}" for path in ("/1?include=marks", "?include=marks")]
        for path in paths:
            await twins.through("GET", path)
        monkeypatch.setattr("tests.resources.test_front_door_contexts.today", [8])
        for path in paths:
            assert '"marks":[]' in (await twins.through("GET", path)).text
        await twins.through("GET", "/context_shops/1")
