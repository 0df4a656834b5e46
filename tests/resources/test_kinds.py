"""Kinds of columns at their edges: what nobody tells, what cannot be read, what a path takes."""

from __future__ import annotations

import enum
import logging
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy_utils as utils  # type: ignore[import-untyped]
from pydantic import BaseModel
from sqlalchemy import ARRAY, DateTime, Enum, Integer, MetaData, String, Text, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator
from sqlalchemy_utils import observer

from ormolu import ConfigurationError, Database, resource
from ormolu.query import plain_value
from ormolu.sessions import has_session_listeners
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    metadata = MetaData()


class Shelf(enum.Enum):
    TOP = "top/left"
    LOW = "low"


class Fragile(TypeDecorator[str]):
    """Text that is read if it begins as it should, and is never `bad`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value == "bad":
            raise ValueError
        return None if value is None else f"v1:{value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[value.index("v1:") + 3 :]


class Later(TypeDecorator[datetime]):
    """Moments a year later than they are stored: the last year of all cannot be read."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.replace(year=value.year + 1)


class Cut(TypeDecorator[str]):
    """Text that is stored without its end, and read to a mark that may be in the end."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[:5]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[: value.index(".")]


class Untold(TypeDecorator[Any]):
    """Makes an object of its own, and says nothing of it."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else object()


class Native(TypeDecorator[dict[str, Any]]):
    """Knows PostgreSQL alone."""

    impl = postgresql.JSONB
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name != "postgresql":
            raise NotImplementedError
        return dialect.type_descriptor(postgresql.JSONB())

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value


class Size(BaseModel):
    width: int
    depth: int = 1


class Sized(TypeDecorator[Size]):
    impl = String(60)
    cache_ok = True

    def process_bind_param(self, value: Size | None, dialect: Any) -> Any:
        return None if value is None else value.model_dump_json()

    def process_result_value(self, value: Any, dialect: Any) -> Size | None:
        return None if value is None else Size.model_validate_json(value)


class Book(Base):
    __tablename__ = "kind_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[Shelf | None] = mapped_column(Enum(Shelf, native_enum=False, length=20))
    note: Mapped[str | None] = mapped_column(Fragile)
    at: Mapped[datetime | None] = mapped_column(DateTime)


class Place(Base):
    __tablename__ = "kind_places"
    shelf: Mapped[Shelf] = mapped_column(
        Enum(Shelf, native_enum=False, length=20), primary_key=True
    )
    note: Mapped[str | None] = mapped_column(String(20))


class Lossy(Base):
    __tablename__ = "kind_lossy"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime | None] = mapped_column(Later)
    word: Mapped[str | None] = mapped_column(Cut)


class Odd(Base):
    __tablename__ = "kind_odds"
    id: Mapped[int] = mapped_column(primary_key=True)
    odd: Mapped[Any] = mapped_column(Untold, nullable=True)


class Box(Base):
    __tablename__ = "kind_boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[Size] = mapped_column(Sized)


class BoxIn(BaseModel):
    size: Size


@pytest.mark.long
async def test_what_cannot_be_read_takes_no_list_down(twin_urls: tuple[str, str]) -> None:
    """A member of yesterday is shown as stored, what a decorator cannot read as null."""
    async with twins_of(twin_urls, Base.metadata, resource(Book, path="/books")) as twins:
        made = await twins.send("POST", "/books", json={"shelf": "low", "note": "a"})
        assert made.json() == {"id": 1, "shelf": "low", "note": "a", "at": None}
        await twins.execute("UPDATE kind_books SET shelf = 'GONE', note = 'other'")
        (row,) = (await twins.send("GET", "/books")).json()["items"]
        assert (row["shelf"], row["note"]) == ("GONE", None)
        changed = await twins.send("PATCH", "/books/1", json={"note": "b"})
        assert (changed.json()["shelf"], changed.json()["note"]) == ("GONE", "b")


async def test_what_a_decorator_refuses_is_the_client_s(twin_urls: tuple[str, str]) -> None:
    """Sent or compared with, by the name of the field."""
    async with twins_of(twin_urls, Base.metadata, resource(Book, path="/books")) as twins:
        answer = await twins.send("POST", "/books", json={"note": "bad"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/note")
        assert (await twins.send("GET", "/books?note=bad")).status_code == 422


@pytest.mark.long
@pytest.mark.parametrize("wrong", [{"at": "9999-01-01T00:00:00"}, {"word": "too long."}])
async def test_what_a_decorator_could_not_read_again_is_not_stored(
    twin_urls: tuple[str, str], wrong: dict[str, str]
) -> None:
    """Moments and texts too, of which it may make another form; they would be shown as null."""
    async with twins_of(twin_urls, Base.metadata, resource(Lossy, path="/lossy")) as twins:
        right = {"at": "2026-01-31T12:00:00", "word": "a.b"}
        made = await twins.send("POST", "/lossy", json=right)
        assert made.json() == {"id": 1, "at": "2027-01-31T12:00:00", "word": "a"}
        (name,) = wrong
        for method, path in (("POST", "/lossy"), ("PATCH", "/lossy/1")):
            answer = await twins.send(method, path, json=wrong)
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")


@pytest.mark.long
async def test_moments_keep_their_fractions(twin_urls: tuple[str, str]) -> None:
    """On MariaDB, too, where the column is created by us."""
    async with twins_of(twin_urls, Base.metadata, resource(Book, path="/books")) as twins:
        made = await twins.send("POST", "/books", json={"at": "2026-01-31T12:00:00.250000"})
        assert made.json()["at"] == "2026-01-31T12:00:00.250000"


@pytest.mark.long
async def test_a_slash_in_a_key_is_escaped(twin_urls: tuple[str, str]) -> None:
    """One that is not leads to no row, as one too many does."""
    async with twins_of(twin_urls, Base.metadata, resource(Place, path="/places")) as twins:
        made = await twins.send("POST", "/places", json={"shelf": "top/left"})
        assert made.headers["location"] == "/places/top%2Fleft"
        assert (await twins.send("GET", "/places/top%2Fleft")).json() == made.json()
        put = await twins.send("PUT", "/places/top%2Fleft", json={"note": "x"})
        assert put.json()["note"] == "x"
        assert (await twins.send("GET", "/places/x/top%2Fleft")).status_code == 404
        assert (await twins.send("GET", "/places/top/left")).status_code in {404, 422}
        assert (await twins.send("DELETE", "/places/top%2Fleft")).status_code == 204


@pytest.mark.long
async def test_a_key_that_is_no_longer_known_is_listed(twin_urls: tuple[str, str]) -> None:
    """As it is stored; no path leads to it."""
    async with twins_of(twin_urls, Base.metadata, resource(Place, path="/places")) as twins:
        await twins.execute("INSERT INTO kind_places (shelf) VALUES ('GONE')")
        rows = (await twins.send("GET", "/places?limit=1")).json()["items"]
        assert rows == [{"shelf": "GONE", "note": None}]
        assert (await twins.send("GET", "/places/GONE")).status_code == 422


@pytest.mark.long
async def test_what_nobody_tells_is_read_only(
    twin_urls: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is shown if JSON has a form for it, and the log says what to write."""
    with caplog.at_level(logging.WARNING, "ormolu"):
        odds = resource(Odd, path="/odds")
    assert "read only, since nothing tells what their values are: odd" in caplog.text
    async with twins_of(twin_urls, Base.metadata, odds) as twins:
        assert (await twins.send("POST", "/odds", json={"odd": "x"})).status_code == 422
        await twins.execute("INSERT INTO kind_odds (id, odd) VALUES (7, 'x')")
        assert (await twins.send("GET", "/odds")).json()["items"] == [{"id": 7, "odd": None}]
        assert (await twins.send("GET", "/odds?odd__isnull=false")).json()["items"]
        assert (await twins.send("GET", "/odds?odd=x")).status_code == 422
        assert (await twins.first("GET", "/openapi.json")).status_code == 200


def test_a_key_that_nobody_tells_is_refused() -> None:
    """No path could lead to its row."""
    members = {"__tablename__": "odd_keys", "id": mapped_column(Untold, primary_key=True)}
    base = type("OddBase", (DeclarativeBase,), {"metadata": MetaData()})
    model = type("OddKey", (base,), members)
    with pytest.raises(ConfigurationError, match="nothing tells how 'id'"):
        resource(model)


@pytest.mark.long
async def test_own_models_give_a_decorator_its_objects(twin_urls: tuple[str, str]) -> None:
    """What a body's model has is no dump of it, which the decorator could not store."""
    boxes = resource(Box, path="/boxes", create_model=BoxIn)
    async with twins_of(twin_urls, Base.metadata, boxes) as twins:
        made = await twins.send("POST", "/boxes", json={"size": {"width": 3}})
        assert made.json() == {"id": 1, "size": {"width": 3, "depth": 1}}
        wrong = await twins.send("PATCH", "/boxes/1", json={"size": {"width": "x"}})
        assert wrong.json()["errors"][0]["pointer"] == "/size/width"


# SQLAlchemy itself compares domains, of which it does not say that they can be.
@pytest.mark.filterwarnings("ignore:Type object .* does not refer to an OperatorClass")
@pytest.mark.backends("asyncpg", "psycopg")
async def test_types_of_postgresql(twin_urls: tuple[str, str]) -> None:
    """Domains are what they are of; arrays may be flatter; a decorator may know it alone."""
    metadata = MetaData()
    members: dict[str, Any] = {
        "__tablename__": "kind_natives",
        "metadata": metadata,
        "id": mapped_column(Integer, primary_key=True),
        "few": mapped_column(postgresql.DOMAIN("few", Integer), nullable=True),
        "grid": mapped_column(ARRAY(Integer, dimensions=2), nullable=True),
        "data": mapped_column(Native, nullable=True),
    }
    natives = resource(_native(members), path="/natives")
    async with twins_of(twin_urls, metadata, natives) as twins:
        made = await twins.send("POST", "/natives", json={"few": 3, "data": {"a": [1]}})
        assert made.json() == {"id": 1, "few": 3, "grid": None, "data": {"a": [1]}}
        assert (await twins.send("GET", "/natives?few__gt=2&sort=-few")).json()["items"]
        await twins.execute("UPDATE kind_natives SET grid = '{1}'")
        assert (await twins.send("GET", "/natives/1")).json()["grid"] == [1]


def _native(members: dict[str, Any]) -> Any:
    base = type("NativeBase", (DeclarativeBase,), {"metadata": members["metadata"]})
    return type("Native", (base,), members)


def test_objects_of_known_packages_have_a_form() -> None:
    """A choice is its code; bytes in a view are bytes."""
    assert plain_value(utils.Choice("a", "Ann")) == "a"
    assert plain_value(memoryview(b"a")) == b"a"
    assert plain_value(object()) is None


def test_a_package_that_listens_for_nothing_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """sqlalchemy-utils listens to sessions once it is imported, and does nothing until asked."""
    assert not has_session_listeners()
    observer.observer.register_listeners()
    try:
        assert not has_session_listeners()
        monkeypatch.setitem(observer.observer.callback_map, Book, ["something"])
        assert has_session_listeners()
    finally:
        observer.observer.remove_listeners()


async def test_a_stored_form_may_be_read_by_hand(database_url: str) -> None:
    """What resources coerce to show it, statements of the program's own do not see."""
    async with Database(database_url, metadata=Base.metadata) as db, db.unit_of_work() as session:
        session.add(Book(note="a"))
        await session.flush()
        assert (await session.scalars(select(Book.note))).all() == ["a"]


def test_ranges_have_a_door() -> None:
    """Their values are made of classes of the driver's, which it is asked for here, too."""
    metadata = MetaData()
    members: dict[str, Any] = {
        "__tablename__": "kind_spans",
        "id": mapped_column(Integer, primary_key=True),
        "span": mapped_column(postgresql.INT4RANGE, nullable=True),
        "bits": mapped_column(postgresql.BIT(3), nullable=True),
    }
    spans = resource(_native({**members, "metadata": metadata}), path="/spans")
    found = {each.operation: each.way for each in spans.explain("postgresql://")}
    assert (found["list"], found["create"], found["update"]) == ("front door",) * 3
