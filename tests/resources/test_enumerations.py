"""Enumerations whose values are anything: shown, sent back, filtered, paged and keys by value."""

from __future__ import annotations

import enum
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from ormolu import ConfigurationError, Database, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import Twins, twins_of

pytestmark = pytest.mark.anyio


class Size(enum.Enum):
    SMALL = (1, "s")
    LARGE = (2, "l/xl,b")


class Range(enum.Enum):
    NEAR = {"to": 5, "from": 1}  # noqa: RUF012
    FAR = {"from": 5}  # noqa: RUF012


class Word(enum.StrEnum):
    FIRST = "first"
    LAST = "last"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Aliased(enum.Enum):
    ON = "on"
    OFF = "off"
    ENABLED = "on"  # noqa: PIE796


class Flagged(enum.IntFlag):
    READ = 1
    WRITE = 2
    ALL = 3
    NONE = 0


class Answer(enum.Enum):
    YES = True
    NO = False


class Share(enum.Enum):
    HALF = Decimal("0.5")
    ALL = Decimal(1)


class Length(enum.Enum):
    DAY = timedelta(days=1)
    HOUR = timedelta(hours=1)


class Mark(enum.Enum):
    A = b"\x00\xff"
    B = b"b"


class Mixed(enum.Enum):
    TEXT = "2"
    WHOLE = 1
    PART = 1.5
    NOTHING = None


CASES: list[tuple[type[enum.Enum], list[Any], list[Any]]] = [
    (Size, [[1, "s"], [2, "l/xl,b"]], [[1], "SMALL", 1, "s", {}]),
    (Range, [{"from": 1, "to": 5}, {"from": 5}], [{}, "NEAR", {"from": 5, "to": 1}]),
    (Word, ["first", "last"], ["FIRST", 1]),
    (Number, [1, 2], [3, "ONE", 1.5]),
    (Aliased, ["on", "off"], ["ENABLED", "ON", None]),
    (Flagged, [1, 2, 3, 0], [4, -1, "READ"]),
    (Answer, [True, False], [1, "YES", "true"]),
    (Share, ["0.5", "1"], ["1.0", 1, "HALF"]),
    (Length, ["P1D", "PT1H"], ["PT24H", 86400]),
    (Mark, ["AP8=", "Yg=="], ["b", "A"]),
    (Mixed, ["2", 1, 1.5], [2, "1", "TEXT"]),
]
NAMES = [kind.__name__ for kind, _, _ in CASES]


def models_of(
    kind: type[enum.Enum], among: MetaData | None = None, prefix: str = ""
) -> tuple[MetaData, Any, Any]:
    """Return a model with a column of an enumeration, and one with a key of it."""

    class Base(DeclarativeBase):
        metadata = MetaData() if among is None else among

    class Thing(Base):
        __tablename__ = f"{prefix}things"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(sa.Enum(kind))

    class Keyed(Base):
        __tablename__ = f"{prefix}keyed"
        value: Mapped[Any] = mapped_column(sa.Enum(kind), primary_key=True)

    return Base.metadata, Thing, Keyed


@pytest.mark.long
async def test_members_are_their_values(
    twin_urls: tuple[str, str], subtests: pytest.Subtests
) -> None:
    """In bodies, answers, filters, cursors and paths; another value is 422 at its field."""
    metadata, routers = MetaData(), []
    for kind, _, _ in CASES:
        name = kind.__name__
        _, thing, keyed = models_of(kind, metadata, f"{name.lower()}_")
        routers.append(resource(thing, path=f"/{name}/things"))
        routers.append(resource(keyed, path=f"/{name}/keyed", writable={"value"}))
    async with twins_of(twin_urls, metadata, *routers) as twins:
        for kind, values, wrong in CASES:
            name = kind.__name__
            with subtests.test(name):
                await _check_members(twins, f"/{name}/things", f"/{name}/keyed", values, wrong)


async def _check_members(
    twins: Twins, things: str, keyed: str, values: list[Any], wrong: list[Any]
) -> None:
    for value in values:
        made = await twins.send("POST", things, json={"value": value})
        assert (made.status_code, made.json()["value"]) == (201, value), made.text
        row, place = made.json(), made.headers["location"]
        assert (await twins.send("GET", place)).json() == row
        assert (await twins.send("PATCH", place, json={"value": value})).json() == row
        text = value if isinstance(value, str) else json.dumps(value)
        for query in (f"value={quote(text)}", f"value__in={quote(text)}"):
            found = await twins.send("GET", f"{things}?{query}")
            assert found.json()["items"] == [row], found.text
        found = await twins.send("POST", f"{things}:query", json={"where": {"value": value}})
        assert found.json()["items"] == [row], found.text
        made = await twins.send("POST", keyed, json={"value": value})
        read = await twins.send("GET", made.headers["location"])
        assert read.json() == {"value": value}, read.text
    for value in wrong:
        refused = await twins.send("POST", things, json={"value": value})
        assert refused.status_code == 422, (value, refused.text)
        assert refused.json()["errors"][0]["pointer"] == "/value"
    for path in (f"{things}?sort=value", keyed):
        whole = (await twins.send("GET", path)).json()["items"]
        paged: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            options = {"limit": "1", "cursor": cursor} if cursor else {"limit": "1"}
            join = "&" if "?" in path else "?"
            query = join + "&".join(f"{name}={quote(each)}" for name, each in options.items())
            page = (await twins.send("GET", path + query)).json()
            paged, cursor = [*paged, *page["items"]], page["next_cursor"]
        assert paged == whole
        assert len(whole) == len(values)


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(("kind", "values", "wrong"), CASES, ids=NAMES)
async def test_the_document_has_the_values_that_are_taken(
    database_url: str, kind: type[enum.Enum], values: list[Any], wrong: list[Any]
) -> None:
    """Each once."""
    metadata, thing, _ = models_of(kind)
    app = FastAPI()
    Database(database_url, metadata=metadata).attach(app)
    app.include_router(resource(thing))
    async with client_of(app) as client:
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    for name in ("ThingCreate", "ThingPublic"):
        schema = schemas[name]["properties"]["value"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        listed = [json.dumps(each, sort_keys=True) for each in schema["enum"]]
        assert len(listed) == len(set(listed))
        assert set(listed) >= {json.dumps(each, sort_keys=True) for each in values}
        assert not set(listed) & {json.dumps(each, sort_keys=True) for each in wrong}


class Alike(enum.Enum):
    """Two members of one text."""

    NUMBER = 1
    TEXT = "1"


class Unknown:
    """Nobody knows what JSON has of it."""


class Odd(enum.Enum):
    FIRST = Unknown()
    LAST = 1


class Endless(enum.Enum):
    FAR = float("inf")
    NEAR = 1.5


class Twice(enum.Enum):
    """Two members that are the same in JSON."""

    BYTES = b"b"
    TEXT = "Yg=="


def test_a_key_of_two_members_of_one_text_is_refused() -> None:
    """Its path would lead to one of two rows."""
    _, _, keyed = models_of(Alike)
    with pytest.raises(ConfigurationError, match="two members of 'value'"):
        resource(keyed, writable={"value"})


@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("kind", [Odd, Twice, Endless])
async def test_members_that_json_cannot_tell_apart_are_read_only(
    database_url: str, kind: type[enum.Enum], caplog: pytest.LogCaptureFixture
) -> None:
    """With a line in the log; the rows are listed, and the document is whole."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Any] = mapped_column(sa.Enum(kind), default=next(iter(kind)))

    things = resource(Thing)
    assert "read only, since nothing tells what their values are: value" in caplog.text
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(things)
    async with client_of(app) as client:
        assert (await client.post("/things", json={})).status_code == 201
        assert (await client.post("/things", json={"value": "x"})).status_code == 422
        assert len((await client.get("/things")).json()["items"]) == 1
        assert (await client.get("/openapi.json")).status_code == 200


class Coded(TypeDecorator[Any]):
    """Stores what a member's value begins with."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value.value[0]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Size | None:
        return next((each for each in Size if each.value[0] == value), None)


@pytest.mark.long
async def test_members_behind_a_decorator_are_their_values_too(twin_urls: tuple[str, str]) -> None:
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Thing(Base):
        __tablename__ = "things"
        value: Mapped[Size] = mapped_column(Coded, primary_key=True)

    async with twins_of(twin_urls, Base.metadata, resource(Thing, writable={"value"})) as twins:
        for value in CASES[0][1]:
            made = await twins.send("POST", "/things", json={"value": value})
            assert made.json() == {"value": value}, made.text
            assert (await twins.send("GET", made.headers["location"])).json() == made.json()
            found = await twins.send("POST", "/things:query", json={"where": {"value": value}})
            assert found.json()["items"] == [made.json()]
