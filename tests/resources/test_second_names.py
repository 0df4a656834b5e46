"""A column with two names is one value: whichever was sent, and never two."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, String, UniqueConstraint
from sqlalchemy.orm import Mapped, column_property, mapped_column

from ormolu import Database, Model, Policy, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Two(Base):
    __tablename__ = "second_names"
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[str | None] = mapped_column(String(20), default="d")
    b: Mapped[str | None] = mapped_column(String(20))


class Pair(Base):
    """Unique by one column of two names, and by two of them."""

    __tablename__ = "unique_pairs"
    __table_args__ = (UniqueConstraint("a", "c"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[str] = mapped_column(String(20), default="d")
    c: Mapped[str] = mapped_column(String(20))
    e: Mapped[str | None] = mapped_column(String(20), unique=True)
    text: Mapped[str | None] = mapped_column(String(20))


Two.a2 = column_property(Two.__table__.c.a)
Pair.id2 = column_property(Pair.__table__.c.id)
Pair.a2 = column_property(Pair.__table__.c.a)
Pair.c2 = column_property(Pair.__table__.c.c)
Pair.e2 = column_property(Pair.__table__.c.e)
twos = resource(Two, path="/twos", writable={"id"})
STEPS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("PUT", "/twos/1", {"a": "x", "b": "y"}, "x"), ("PUT", "/twos/1", {"a": "z", "b": "y"}, "z"),
    ("PUT", "/twos/1", {"a2": "w"}, "w"), ("PUT", "/twos/1", {"b": "y"}, "d"),
    ("PUT", "/twos/1", {"a": "v", "a2": "v"}, "v"), ("PATCH", "/twos/1", {"a2": "p"}, "p"),
    ("PATCH", "/twos/1", {"a": "q", "a2": "q"}, "q"), ("PATCH", "/twos/1", {"a": None}, None),
    ("POST", "/twos", {"id": 2, "a2": "r"}, "r"), ("POST", "/twos", {"id": 3}, "d"),
    ("PATCH", "/twos/1", {"a": "p", "a2": "q"}, ...),
    ("PUT", "/twos/1", {"a": "p", "a2": "q"}, ...),
    ("PATCH", "/twos/1", {"a": "p", "a2": None}, ...),
    ("POST", "/twos", {"a": "", "a2": "q"}, ...),
]  # fmt: skip


@pytest.mark.long
async def test_one_value(twin_urls: tuple[str, str]) -> None:
    """By a door and by the session; two values are refused."""
    async with twins_of(twin_urls, Base.metadata, twos) as twins:
        for method, path, body, expected in STEPS:
            answer = await twins.send(method, path, json=body)
            if expected is ...:
                assert answer.status_code == 422, answer.text
                assert answer.json()["errors"][0]["type"] == "repeated"
            else:
                found = answer.json()
                assert (found["a"], found["a2"]) == (expected, expected), f"{method} {body}"
        await twins.compare(*Base.metadata.sorted_tables)


# Unique keys by each of their names, and bodies that have them by each.
KEYS = ["a,c", "a2,c", "a,c2", "c2,a2"]
BODIES: list[dict[str, Any]] = [
    {"a": "x", "c": "y"}, {"a2": "x", "c": "y"}, {"a": "x", "c2": "y"}, {"a2": "x", "c2": "y"},
    {"a": "x", "a2": "x", "c": "y", "c2": "y"},
]  # fmt: skip


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg", "psycopg", "mariadb")
async def test_a_row_is_found_by_any_name_of_its_unique_key(database_url: str) -> None:
    """In `on_conflict` and in the body, alone and mixed; what is left out has its default."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Pair, path="/pairs", writable={"id", "id2"}))
    policy = Policy(visible=Pair.a == "x", assign={"a": "x"})
    app.include_router(resource(Pair, path="/mine", policy=lambda: policy))
    async with client_of(app) as client:
        for number, (key, body) in enumerate((key, body) for key in KEYS for body in BODIES):
            text = f"text {number}"
            answer = await client.post(f"/pairs?on_conflict={key}", json={**body, "text": text})
            assert answer.status_code == (200 if number else 201), answer.text
            found = answer.json()
            assert (found["id"], found["a2"], found["c2"], found["text"]) == (1, "x", "y", text)
        for key, body in (
            ("a2,c2", {"c": "z", "a": "d", "e2": "f"}), ("a2,c2", {"c": "z"}),
            ("e", {"c": "z", "e2": "f"}), ("e2", {"c": "z", "e": "f"}),
            ("id2", {"id": 2, "c": "z"}), ("id", {"id2": 2, "c": "z"}),
        ):  # fmt: skip
            answer = await client.post(f"/pairs?on_conflict={key}", json=body)
            assert answer.json()["id"] == 2, key
        for key in ("c", "c2"):
            answer = await client.post(f"/mine?on_conflict={key}", json={"c": "y", "text": key})
            assert answer.status_code == 200, answer.text
            assert answer.json()["text"] == key
        operation = {"op": "upsert", "on_conflict": ["c2", "a"], "data": {"a2": "x", "c": "y"}}
        answer = await client.post("/pairs:batch", json={"operations": [operation]})
        assert answer.json()["results"][0]["body"]["id"] == 1
        missing = await client.post("/pairs", json={"a": "x"})
        assert [each["pointer"] for each in missing.json()["errors"]] == ["/c"]
        refused = await client.post("/pairs?on_conflict=a,a2", json={"a": "x", "c": "y"})
        assert refused.status_code == 422
