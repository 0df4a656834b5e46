"""What the database refuses over a column that nobody sees does not name it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import CheckConstraint, ForeignKey, MetaData, String, UniqueConstraint
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.kept import KeptApp, keep_running

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Badge(Base):
    __tablename__ = "badges"
    __table_args__ = (
        UniqueConstraint("firm", "label"),
        UniqueConstraint("firm", "serial"),
        CheckConstraint("weight > 0", name="weight_is_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    firm: Mapped[str] = mapped_column(String(9), default="acme")
    label: Mapped[str | None] = mapped_column(String(9))
    serial: Mapped[str | None] = mapped_column(String(9))
    chip: Mapped[str | None] = mapped_column(String(9), unique=True)
    pin: Mapped[str | None] = mapped_column(String(9), unique=True)
    weight: Mapped[int] = mapped_column(default=1)
    maker: Mapped[int | None] = mapped_column(ForeignKey("badges.id"))


HIDDEN = frozenset({"firm", "serial", "chip", "pin", "weight", "maker"})


async def make(_session: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    """Take the label for what no client sees, as `chip=x`."""
    name, mark, value = values["label"].partition("=")
    if not mark:
        return values
    made = None if value == "none" else int(value) if value.isdigit() else value
    return {**values, "label": None, name: made}


async def everyone() -> Policy:
    return Policy(visible=True, hidden=HIDDEN)


badges = {
    "/declared": resource(Badge, path="/declared", hidden=HIDDEN, hooks={"before_create": make}),
    "/by_policy": resource(
        Badge, path="/by_policy", policy=everyone, hooks={"before_create": make}
    ),
}


@pytest.fixture(scope="module")
async def served(module_url: str) -> AsyncIterator[KeptApp]:
    app, db = FastAPI(), Database(module_url, metadata=Base.metadata)
    db.attach(app)
    for each in badges.values():
        app.include_router(each)
    async with keep_running(app, db) as found:
        yield found


@pytest.fixture
async def client(served: KeptApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with two badges."""
    async with served.client() as found:
        for label in ("chip=x", "pin=x", "serial=x", "gold"):
            assert (await found.post("/declared", json={"label": label})).status_code == 201
        yield found


@pytest.mark.parametrize("path", badges)
@pytest.mark.parametrize(
    ("label", "status"),
    [
        ("chip=x", 409),
        ("pin=x", 409),
        ("serial=x", 409),
        ("maker=77", 409),
        ("weight=0", 422),
        ("weight=none", 422),
    ],
)
async def test_a_hidden_column_is_not_named(
    client: httpx2.AsyncClient, path: str, label: str, status: int
) -> None:
    """Neither in a sentence nor in a pointer, on its own or in a batch."""
    one = await client.post(path, json={"label": label})
    operations = [{"op": "create", "data": {"label": label}}]
    many = await client.post(f"{path}:batch", json={"operations": operations, "atomic": False})
    assert one.status_code == many.json()["results"][0]["status"] == status
    for text in (one.text, many.text):
        assert not any(name in text for name in HIDDEN)


@pytest.mark.parametrize("path", badges)
async def test_what_is_shown_of_a_key_is_named(client: httpx2.AsyncClient, path: str) -> None:
    """A tenant that nobody sees is part of most keys."""
    clash = (await client.post(path, json={"label": "gold"})).json()
    assert clash["detail"] == "A badge with this label already exists."
    assert [each["pointer"] for each in clash["errors"]] == ["/label"]
