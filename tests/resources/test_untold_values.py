"""Columns whose words say nothing of their values: shown as they are, and guessed by nobody."""

from __future__ import annotations

import abc
import enum
import json
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import JSON, Dialect, MetaData, String, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from ormolu import Model, resource
from ormolu.query import Field
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Event(BaseModel):
    kind: str = "event"
    size: int = 0


class Abstract(BaseModel, abc.ABC):
    size: int

    @abc.abstractmethod
    def grow(self) -> None:
        """Grow."""


class Nothing(enum.Enum):
    pass


class Stored(TypeDecorator[Any]):
    """Any model, by its name; what says what it takes is the base of all of them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: BaseModel | None, dialect: Dialect) -> Any:
        return None if value is None else value.model_dump_json()

    def process_result_value(self, value: Any, dialect: Dialect) -> BaseModel | None:
        return None if value is None else Event.model_validate_json(value)


class Listed(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.dumps([each.model_dump() for each in value])

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else [Event(**each) for each in json.loads(value)]


class Joined(TypeDecorator[Any]):
    impl = String(100)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else ",".join(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value.split(",")


class Note(Base):
    __tablename__ = "untold_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    one: Mapped[BaseModel | None] = mapped_column(Stored)
    many: Mapped[list[BaseModel] | None] = mapped_column(Listed)
    words: Mapped[Iterable[str] | None] = mapped_column(Joined)
    plain: Mapped[list[BaseModel] | None] = mapped_column(JSON)


ROWS = """INSERT INTO untold_notes (id, one, many, words)
VALUES (7, '{"size": 3}', '[{"size": 4}]', 'a,b')"""
NAMES = ("one", "many", "words")
SENT: list[Any] = [{}, [{}], {"size": 1}, ["a"]]


@pytest.mark.long
async def test_what_names_only_a_base_is_shown_and_not_written(twin_urls: tuple[str, str]) -> None:
    """A client's `[{}]` reached the decorator as objects of the base: a 500."""
    async with twins_of(twin_urls, Base.metadata, resource(Note, path="/notes")) as twins:
        for name in NAMES:
            for value in SENT:
                answer = await twins.send("POST", "/notes", json={name: value})
                assert answer.status_code == 422
        await twins.execute(ROWS)
        (row,) = (await twins.send("GET", "/notes")).json()["items"]
    event = {"kind": "event", "size": 3}
    assert row["one"] == event
    assert (row["many"], row["words"]) == ([event | {"size": 4}], ["a", "b"])


@pytest.mark.long
async def test_what_names_only_a_base_is_asked_for_null_alone(twin_urls: tuple[str, str]) -> None:
    """No client could say which value it means."""
    async with twins_of(twin_urls, Base.metadata, resource(Note, path="/notes")) as twins:
        await twins.execute(ROWS)
        for name in NAMES:
            assert (await twins.send("GET", f"/notes?{name}=[]")).status_code == 422
            found = await twins.send("GET", f"/notes?{name}__isnull=false")
            assert len(found.json()["items"]) == 1


@pytest.mark.long
async def test_what_a_decorator_does_not_take_is_refused_where_any_json_is_open(
    twin_urls: tuple[str, str],
) -> None:
    """`writable` opens an opaque column; what its decorator refuses is a 422 of the field."""
    notes = resource(Note, path="/notes", writable={"one", "many", "words"})
    async with twins_of(twin_urls, Base.metadata, notes) as twins:
        for name in NAMES:
            answer = await twins.send("POST", "/notes", json={name: [{}]})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")
        made = await twins.send("POST", "/notes", json={"words": ["a", "b"]})
        assert made.json()["words"] == ["a", "b"]


async def test_json_of_a_base_keeps_what_was_sent(twin_urls: tuple[str, str]) -> None:
    """Read as the base, which has no fields, it would be an empty object."""
    async with twins_of(twin_urls, Base.metadata, resource(Note, path="/notes")) as twins:
        made = await twins.send("POST", "/notes", json={"plain": [{"size": 1}]})
        assert made.json()["plain"] == [{"size": 1}]
        assert (await twins.send("GET", "/notes/1")).json() == made.json()


@pytest.mark.parametrize("word", [BaseModel, Abstract, Nothing, enum.Enum, dict[str, Abstract]])
def test_classes_that_have_no_values_tell_nothing(word: Any) -> None:
    """An abstract class, a base and an enumeration without members are of their subclasses."""
    assert Field("many", Listed(), annotation=word).kind.family == "opaque"
