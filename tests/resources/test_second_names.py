"""A column with two names is one value: whichever was sent, and never two."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, column_property, mapped_column

from ormolu import Model, resource
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


Two.a2 = column_property(Two.__table__.c.a)
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
