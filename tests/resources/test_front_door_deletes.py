"""A row that is deleted needs none of the code that shows rows, or sets their values."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, validates
from sqlalchemy.types import TypeDecorator

from ormolu import Model, resource
from tests.resources.twins import twins_of

pytestmark = pytest.mark.backends("sqlite", "asyncpg")


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Shouted(TypeDecorator[str]):
    """Text that the program changes both ways."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.upper()

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.lower()


class Sign(Base):
    __tablename__ = "delete_signs"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Shouted())

    @validates("text")
    def check(self, _name: str, value: str) -> str:
        if not value:
            raise ValueError
        return value


class Name(Base):
    """A row whose key is text, which PostgreSQL compares in ways of its own."""

    __tablename__ = "delete_names"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    note: Mapped[str | None] = mapped_column(String(20))


@pytest.mark.long
async def test_validators_and_types_of_its_own(twin_urls: tuple[str, str]) -> None:
    """They have no part in a DELETE: a door deletes the row."""
    async with twins_of(twin_urls, Base.metadata, resource(Sign)) as twins:
        for text in ("a", "b"):
            await twins.past("POST", "/delete_signs", json={"text": text})
        await twins.past("PATCH", "/delete_signs/2", json={"text": "c"})
        await twins.through("DELETE", "/delete_signs/1")
        await twins.past("DELETE", "/delete_signs/1")
        await twins.compare(Sign.__table__)  # type: ignore[arg-type]


@pytest.mark.long
async def test_keys_of_text(twin_urls: tuple[str, str]) -> None:
    """Each is changed and deleted alone, so that no answer is another's; at once, too."""
    names = resource(Name, path="/names", writable={"name"})
    async with twins_of(twin_urls, Base.metadata, names) as twins:
        for name in ("a", "b", "A", "\u00e9"):
            await twins.through("POST", "/names", json={"name": name})
        changes: list[tuple[str, str, dict[str, Any]]] = [
            ("PATCH", f"/names/{name}", {"json": {"note": f"n{n}"}})
            for n, name in enumerate(("a", "b", "A", "%C3%A9", "c"))
        ]
        await twins.send_all(changes)
        await twins.through("PATCH", "/names/a", json={"note": "last"})
        await twins.through("DELETE", "/names/A")
        await twins.compare(Name.__table__)  # type: ignore[arg-type]
