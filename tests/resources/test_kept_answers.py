"""Whose kept answers are given again: those of equal policies, whatever their values show."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from sqlalchemy import MetaData, String, TypeDecorator, func
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Veiled(str):
    """Text that shows nothing of itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class Owner:
    """Whom a row belongs to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return "<Owner>"


class OwnerType(TypeDecorator[Owner]):
    """Stores an owner's name."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Owner | None, dialect: Any) -> str | None:
        return None if value is None else value.name

    def process_result_value(self, value: str | None, dialect: Any) -> Owner | None:
        return None if value is None else Owner(value)


class Wish(Base):
    __tablename__ = "kept_wishes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    tenant: Mapped[str | None] = mapped_column(String(20))
    owner: Mapped[Any] = mapped_column(OwnerType(), nullable=True)


POLICIES: dict[str, Any] = {
    "text": lambda who: Policy(visible=Wish.tenant == Veiled(who)),
    "list": lambda who: Policy(visible=Wish.tenant.in_([Veiled(who)])),
    "object": lambda who: Policy(visible=Wish.owner == Owner(who)),
    "assigned": lambda who: Policy(visible=True, assign={"tenant": Veiled(who)}),
    "assigned object": lambda who: Policy(visible=True, assign={"owner": Owner(who)}),
    "assigned SQL": lambda who: Policy(visible=True, assign={"tenant": func.lower(who)}),
    "principal": lambda who: Policy(visible=True, principal=Veiled(who)),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", POLICIES)
async def test_values_that_do_not_show_themselves(database_url: str, kind: str) -> None:
    """Another caller's answer is not theirs, even with the same key and body."""

    async def policy(x_who: Annotated[str, Header()]) -> Policy:
        made: Policy = POLICIES[kind](x_who)
        return made

    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)
    app.include_router(resource(Wish, path="/wishes", policy=policy, idempotency=True))
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Wish(id=1, text="a", tenant="ann", owner=Owner("ann")))
        is_open = "assigned" in kind or kind == "principal"
        for who, is_done in (("ann", True), ("bo", is_open), ("ann", False)):
            async with db.unit_of_work() as session:
                (await session.get_one(Wish, 1)).text = who
            headers = {"X-Who": who, "Idempotency-Key": "1"}
            answer = await client.patch("/wishes/1", json={"text": "b"}, headers=headers)
            assert answer.status_code == (404 if who == "bo" and not is_open else 200)
            async with db.unit_of_work(read_only=True) as session:
                assert (await session.get_one(Wish, 1)).text == ("b" if is_done else who)
