"""Decimals of more digits than SQLite keeps: refused there, and stored as they are elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Dialect, MetaData, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column, validates
from sqlalchemy.types import TypeDecorator

from ormolu import Database, Model, resource
from ormolu.query import sqlite_digit_check
from tests.fixtures.apps import client_of
from tests.fixtures.backends import Backend
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Halved(TypeDecorator[Decimal]):
    """Stored in a form of its own."""

    impl = Numeric(24, 6)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value / 2

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value * 2


class Account(Base):
    __tablename__ = "accounts"
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    balance: Mapped[Decimal | None] = mapped_column(Numeric(20, 4), unique=True, doc="In euros.")
    whole: Mapped[Decimal | None] = mapped_column(Numeric(24, 0))
    bare: Mapped[Decimal | None]
    halved: Mapped[Decimal | None] = mapped_column(Halved)
    short: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))


class Watched(Base):
    """Written by the ORM."""

    __tablename__ = "watched"
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    balance: Mapped[Decimal | None] = mapped_column(Numeric(20, 4))

    @validates("balance")
    def check(self, _name: str, value: Any) -> Any:
        return value


LONG = {
    "balance": "1234567890123456.7891",
    "whole": "123456789012345678901234",
    "bare": "12345678901234567.5000000000",
    "halved": "246913578024691357.802470",
}
SHORT = {
    "balance": "12345678901.2345",
    "whole": "123456789012345",
    "bare": "12345.6789012345",
    "halved": "12345678.024690",
    "short": "1234567890.12",
}
LIMIT = "SQLite keeps 15 significant digits"
ROUTERS = (resource(Account), resource(Watched))


def writes(path: str, name: str, value: str) -> list[tuple[str, str, Any]]:
    """Return the requests that store a value; all but the first in the row `a`."""
    steps = [{"op": "create", "data": {"code": "c", name: value}}]
    return [
        ("PATCH", f"{path}/a", {name: value}),
        ("PUT", f"{path}/a", {name: value}),
        ("POST", f"{path}?on_conflict=code", {"code": "a", name: value}),
        ("POST", path, {"code": "b", name: value}),
        ("PUT", f"{path}/d", {name: value}),
        ("POST", f"{path}:batch", {"operations": steps}),
    ]


@pytest.mark.long
@pytest.mark.parametrize("path", ["/accounts", "/watched"])
async def test_a_decimal_is_stored_as_it_is_or_refused(
    twin_urls: tuple[str, str], backend: Backend, path: str
) -> None:
    """In every kind of write; the sentence has the limit."""
    names = LONG if path == "/accounts" else {"balance": LONG["balance"]}
    for name, value in names.items():
        if name == "bare" and not backend.is_sqlite:
            # Without digits of its own each backend has another number of them.
            continue
        async with twins_of(twin_urls, Base.metadata, *ROUTERS) as twins:
            await twins.send("POST", path, json={"code": "a"})
            for method, where, body in writes(path, name, value):
                if name == "balance" and method == "POST" and "on_conflict" not in where:
                    await twins.execute(f"DELETE FROM {path[1:]} WHERE code <> 'a'")
                    await twins.execute(f"UPDATE {path[1:]} SET balance = NULL")
                answer = await twins.send(method, where, json=body)
                if backend.is_sqlite:
                    assert answer.status_code == 422, answer.text
                    (entry,) = answer.json()["errors"]
                    assert LIMIT in entry["msg"]
                    assert entry["pointer"].endswith(f"/{name}")
                elif "d" not in where and "batch" not in where:
                    assert answer.status_code < 300, answer.text
                    assert answer.json()[name] == value
            if backend.is_sqlite:
                assert (await twins.send("GET", path)).json()["items"][0][name] is None
            for table in ("accounts", "watched"):
                await twins.execute(f"DELETE FROM {table}")


@pytest.mark.long
async def test_short_decimals_are_stored_everywhere(twin_urls: tuple[str, str]) -> None:
    """By the door, too."""
    async with twins_of(twin_urls, Base.metadata, *ROUTERS) as twins:
        made = await twins.send("POST", "/accounts", json={"code": "a", **SHORT})
        assert made.status_code == 201, made.text
        shown = {name: Decimal(value) for name, value in made.json().items() if name != "code"}
        assert shown == {name: Decimal(value) for name, value in SHORT.items()}
        again = await twins.send("PATCH", "/accounts/a", json={"short": "-0.01"})
        assert again.json() == {**made.json(), "short": "-0.01"}


@pytest.mark.long
async def test_a_key_beside_another_finds_no_row(
    twin_urls: tuple[str, str], backend: Backend
) -> None:
    """An upsert would else change the row whose number is the nearest."""
    async with twins_of(twin_urls, Base.metadata, *ROUTERS) as twins:
        await twins.send("POST", "/accounts", json={"code": "a", "balance": "1234567890123456"})
        body = {"code": "b", "balance": "1234567890123456.0001"}
        answer = await twins.send("POST", "/accounts?on_conflict=balance", json=body)
        assert answer.status_code == (422 if backend.is_sqlite else 201)


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_the_document_says_the_limit(database_url: str, backend: Backend) -> None:
    """Where SQLite is, of columns that may have more."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Account))
    async with client_of(app) as client:
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    for schema in ("AccountCreate", "AccountUpdate"):
        members = schemas[schema]["properties"]
        said = {name for name, each in members.items() if LIMIT in each.get("description", "")}
        assert said == (LONG.keys() if backend.is_sqlite else set())
        assert members["balance"]["description"].startswith("In euros.")


@pytest.mark.long
@settings(
    max_examples=500, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@example(Decimal("1520563755110.4"))
@given(st.decimals(min_value=-(10**16), max_value=10**16, places=4))
def test_what_is_kept_is_read_as_it_was(value: Decimal) -> None:
    """The rule is what SQLAlchemy reads of a double; up to 15 digits all are kept.

    Those count that the column has after the point, be they zeros.
    """
    check = sqlite_digit_check(Numeric(20, 4))
    assert check is not None
    assert check(value) == (Decimal(f"{float(value):.4f}") == value)
    digits = max(value.adjusted(), 0) + 1 + 4
    assert check(value) or digits > 15
