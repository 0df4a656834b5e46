"""A cursor goes on in a list that is filtered by values of any class, in any process."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from sqlalchemy import Dialect, MetaData, String, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Model, resource
from ormolu.query import _conditions
from tests.resources.twins import twins_of


class Point:
    """A class of the program's own, without a repr."""

    def __init__(self, text: str) -> None:
        self.x, self.y = (int(part) for part in text.split(";"))

    def __str__(self) -> str:
        return f"{self.x};{self.y}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((self.x, self.y))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        made = core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Point) else Point(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )
        return core_schema.json_or_python_schema(json_schema=made, python_schema=made)


class PointType(TypeDecorator[Point]):
    """A point as text."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Point | None:
        return None if value is None else Point(value)


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Mark(Base):
    __tablename__ = "context_marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Point | None] = mapped_column(PointType)


marks = resource(Mark, path="/marks", writable={"id"})


@pytest.mark.long
@pytest.mark.anyio
@pytest.mark.backends("sqlite", "asyncpg")
async def test_pages_of_a_filtered_list(twin_urls: tuple[str, str]) -> None:
    """Of one value and of several; the cursor of another list is refused."""
    async with twins_of(twin_urls, Base.metadata, marks) as twins:
        for number in range(1, 6):
            await twins.send("POST", "/marks", json={"id": number, "at": "1;2"})
        for path in ("/marks?at=1;2&limit=2", "/marks?at__in=1;2&at__in=3;4&limit=2"):
            first = (await twins.send("GET", path)).json()
            again = (await twins.send("GET", f"{path}&cursor={first['next_cursor']}")).json()
            assert "items" in again, str(again)[-300:]
            assert [row["id"] for row in again["items"]] == [3, 4]
        other = await twins.send("GET", f"/marks?at=1;3&cursor={first['next_cursor']}")
        assert other.status_code == 422


class Size(enum.Enum):
    """Its repr shows an object's place in memory."""

    SMALL = Point("1;1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b", "a", "c"}, "{'a','b','c'}"),
        ([Point("1;2"), 3], '["1;2",3]'),
        (Size.SMALL, '"1;1"'),
        (Decimal("1.50"), "Decimal('1.50')"),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime.datetime(2026, 1, 1, 0, 0, "
         "tzinfo=datetime.timezone.utc)"),
    ],
)  # fmt: skip
def test_text_of_a_value(value: Any, text: str) -> None:
    """It is the same in each process, and of equal values alone."""
    assert _conditions._text_of(value) == text
