"""Values between a client and a column, where code of a type's own or a key stands between."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import (
    ARRAY,
    JSON,
    VARBINARY,
    DateTime,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    String,
    event,
    func,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.ext.mutable import MutableSet
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import TypeDecorator

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import Twins, twins_of

pytestmark = pytest.mark.anyio


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


class Cents(TypeDecorator[Decimal]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


class Price(TypeDecorator[Any]):
    """Says nothing itself of what it decorates."""

    impl = Cents
    cache_ok = True


class Local(TypeDecorator[datetime]):
    """Moments in a zone of the program's own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(timezone(timedelta(hours=2)))


class Right(enum.IntFlag):
    READ = 1
    WRITE = 2


class Rights(TypeDecorator[Right]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else Right(value)


class Loud(TypeDecorator[str]):
    impl = String(40)
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return func.upper(bindvalue)


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Any] = mapped_column(Price, nullable=True)
    at: Mapped[datetime | None] = mapped_column(Local)
    rights: Mapped[Right | None] = mapped_column(Rights)
    shout: Mapped[str | None] = mapped_column(Loud)
    share: Mapped[Decimal | None] = mapped_column(Numeric(12, 10))
    rate: Mapped[Decimal | None] = mapped_column(Float(53, asdecimal=True))


class Pickled(Base):
    __tablename__ = "pickled"
    id: Mapped[int] = mapped_column(primary_key=True)
    counts: Mapped[dict[str, int] | None] = mapped_column(PickleType)
    words: Mapped[set[str] | None] = mapped_column(MutableSet.as_mutable(PickleType()))


class Small(TypeDecorator[str]):
    """Text in small letters."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else value.lower()


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(Small, primary_key=True)
    note: Mapped[str | None] = mapped_column(String(20))


class Draft(Base):
    """What is new of it is filled in by who listens to it."""

    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(20))
    state: Mapped[str | None] = mapped_column(String(20))


@event.listens_for(Draft, "init")
def _is_new(_draft: Draft, _places: tuple[Any, ...], values: dict[str, Any]) -> None:
    values.setdefault("state", "new")
    if values.get("title") == "":
        message = "a draft has a title"
        raise ValueError(message)


class Parcel(MappedAsDataclass, Base):
    """A dataclass that computes one column, and makes another."""

    __tablename__ = "parcels"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(20), init=False)
    marks: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["new"])

    def __post_init__(self) -> None:
        self.label = f"{self.name}/{len(self.marks)}"


class Moment(Base):
    __tablename__ = "moments"
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    note: Mapped[str | None] = mapped_column(String(20))


async def _keeps(twins: Twins, name: str, *values: Any) -> None:
    """Check that a value is read, sent back and found as it was shown first."""
    for value in values:
        made = await twins.send("POST", "/things", json={name: value})
        assert made.status_code == 201, made.text
        row, place = made.json(), made.headers["location"]
        assert (await twins.send("GET", place)).json() == row
        again = await twins.send("PATCH", place, json={name: row[name]})
        assert (again.status_code, again.json()) == (200, row)
        found = await twins.send("GET", f"/things?{name}={quote(str(row[name]))}")
        assert found.json()["items"] == [row], found.text


@pytest.mark.long
async def test_values_of_types_with_code_of_their_own_come_back(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        await _keeps(twins, "price", "1.25", "-3")
        await _keeps(twins, "at", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00+05:00")
        await _keeps(twins, "rights", 1, 3)
        await _keeps(twins, "shout", "A")


@pytest.mark.long
async def test_small_decimals_are_shown_without_an_exponent(twin_urls: tuple[str, str]) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        await _keeps(twins, "share", "0.0000000000", "-0.0000000001", "1.5000000000")


@pytest.mark.long
async def test_decimals_of_a_float_have_the_digits_that_are_read(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        await _keeps(twins, "rate", "0.0000000001", "-12345.6789012345", "1.5000000000")
        for value in ("0.00000000001", "123456.7890123456"):
            refused = await twins.send("POST", "/things", json={"rate": value})
            assert refused.status_code == 422, refused.text


@pytest.mark.long
async def test_an_empty_list_finds_nothing_of_any_type(twin_urls: tuple[str, str]) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Thing)) as twins:
        made = await twins.send("POST", "/things", json={"shout": "A"})
        for name, rows in (("shout__in", []), ("shout__not_in", [made.json()])):
            found = await twins.send("POST", "/things:query", json={"where": {name: []}})
            assert found.json()["items"] == rows, found.text


@pytest.mark.long
async def test_a_moment_as_key_stands_in_the_path_as_it_is_shown(
    twin_urls: tuple[str, str],
) -> None:
    moments = resource(Moment, writable={"at"})
    async with twins_of(twin_urls, Base.metadata, moments) as twins:
        made = await twins.send("POST", "/moments", json={"at": "2026-01-31T14:00:00+02:00"})
        assert made.json()["at"] == "2026-01-31T12:00:00Z"
        read = await twins.send("GET", made.headers["location"])
        assert read.json() == made.json()
        many = [{"op": "create", "data": {"at": f"2026-01-0{day}T00:00:00Z"}} for day in (1, 2)]
        batch = await twins.send("POST", "/moments:batch", json={"operations": many})
        assert batch.status_code == 200, batch.text
        for each in batch.json()["results"]:
            assert (await twins.send("GET", each["location"])).status_code == 200


@pytest.mark.long
async def test_many_rows_are_made_whose_keys_are_read_in_another_form(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Tag)) as twins:
        many = [{"op": "create", "data": {"name": name}} for name in ("Red", "Blue")]
        batch = await twins.send("POST", "/tags:batch", json={"operations": many})
        assert batch.status_code == 200, batch.text
        places = [each["location"] for each in batch.json()["results"]]
        assert places == ["/tags/red", "/tags/blue"]


@pytest.mark.long
async def test_what_is_pickled_is_what_its_annotation_says(twin_urls: tuple[str, str]) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Pickled)) as twins:
        sent = {"counts": {"a": 1}, "words": ["b"]}
        made = await twins.send("POST", "/pickled", json=sent)
        assert made.json() == {"id": 1, **sent}, made.text
        assert (await twins.send("GET", "/pickled/1")).json() == made.json()
        wrong = await twins.send("PATCH", "/pickled/1", json={"counts": "AAAA"})
        assert wrong.status_code == 422


@pytest.mark.long
async def test_who_listens_to_new_objects_changes_what_they_are_given(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Draft)) as twins:
        made = await twins.send("POST", "/drafts", json={"title": "a"})
        assert made.json()["state"] == "new"
        kept = await twins.send("POST", "/drafts", json={"title": "a", "state": "old"})
        assert kept.json()["state"] == "old"
        refused = await twins.send("POST", "/drafts", json={"title": ""})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["msg"] == "a draft has a title"


@pytest.mark.long
async def test_what_a_dataclass_makes_is_there_when_it_computes(
    twin_urls: tuple[str, str],
) -> None:
    async with twins_of(twin_urls, Base.metadata, resource(Parcel)) as twins:
        made = await twins.send("POST", "/parcels", json={"name": "a"})
        assert made.json() == {"id": 1, "name": "a", "label": "a/1", "marks": ["new"]}


@pytest.mark.long
async def test_a_default_that_no_constructor_asks_for_is_the_column_s(
    twin_urls: tuple[str, str],
) -> None:
    """SQLAlchemy's mark of it is no value of a row, neither in a row nor in a batch."""

    class Plain(MappedAsDataclass, DeclarativeBase):
        metadata = MetaData()

    class Note(Plain):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        text: Mapped[str] = mapped_column(String(9))
        seen: Mapped[datetime | None] = mapped_column(default=None, init=False)
        state: Mapped[str] = mapped_column(String(9), default="new", init=False)
        words: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["a"], init=False)

    async with twins_of(twin_urls, Plain.metadata, resource(Note, path="/notes")) as twins:
        made = await twins.send("POST", "/notes", json={"text": "x"})
        rest = {"text": "x", "seen": None, "state": "new", "words": ["a"]}
        assert made.json() == {"id": 1, **rest}
        step = {"op": "create", "data": {"text": "x"}}
        done = await twins.send("POST", "/notes:batch", json={"operations": [step, step]})
        assert [each["body"] for each in done.json()["results"]] == [
            {"id": 2, **rest}, {"id": 3, **rest},
        ]  # fmt: skip


class NetworkBase(Model):
    """Tables that only PostgreSQL has."""

    __abstract__ = True
    metadata = MetaData()


class Network(NetworkBase):
    __tablename__ = "networks"
    id: Mapped[Any] = mapped_column(INET, primary_key=True)


class Plan(NetworkBase):
    __tablename__ = "plans"
    id: Mapped[int] = mapped_column(primary_key=True)
    steps: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))


@pytest.mark.backends("asyncpg", "psycopg")
async def test_moments_of_an_array_are_shown_in_utc(database_url: str) -> None:
    """As those of a column are, whatever the time zone of the session is."""
    app = FastAPI()
    Database(database_url, metadata=NetworkBase.metadata).attach(app)
    app.include_router(resource(Plan))
    async with client_of(app) as client:
        steps = ["2026-01-31T12:00:00Z", "2026-02-01T00:00:00.500000Z"]
        assert (await client.post("/plans", json={"steps": steps})).json()["steps"] == steps
        for _ in range(2):
            assert (await client.get("/plans")).json()["items"] == [{"id": 1, "steps": steps}]


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("network", ["10.0.0.0/8", "10.0.0.1", "fe80::/10"])
async def test_a_network_is_found_by_its_key(database_url: str, network: str) -> None:
    """Its length stands behind a slash, which is escaped in the path."""
    app = FastAPI()
    Database(database_url, metadata=NetworkBase.metadata).attach(app)
    app.include_router(resource(Network, writable={"id"}))
    async with client_of(app) as client:
        created = await client.post("/networks", json={"id": network})
        assert created.status_code == 201
        found = await client.get(created.headers["location"])
        assert (found.status_code, found.json()) == (200, {"id": network})


class Grade(enum.Enum):
    NONE = ""
    GOOD = "good"


class Graded(Base):
    __tablename__ = "graded"
    id: Mapped[Grade] = mapped_column(primary_key=True)


class Bare(Base):
    __tablename__ = "bare"
    id: Mapped[bytes] = mapped_column(
        LargeBinary(16).with_variant(VARBINARY(16), "mysql", "mariadb"), primary_key=True
    )


@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
async def test_no_row_has_an_empty_key(database_url: str) -> None:
    """Nobody could ask for it: its path is the collection's."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Graded, writable={"id"}))
    app.include_router(resource(Bare, writable={"id"}))
    async with client_of(app) as client:
        for path, fine in (("/graded", "good"), ("/bare", "YWI=")):
            refused = await client.post(path, json={"id": ""})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/id")
            assert (await client.post(path, json={"id": fine})).status_code == 201


class Scan(Base):
    __tablename__ = "scans"
    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    digest: Mapped[bytes | None] = mapped_column(LargeBinary(20))


@pytest.mark.backends("sqlite", "asyncpg")
async def test_bytes_without_a_length_have_no_order(database_url: str) -> None:
    """MariaDB sorts by the first thousand, and a cursor would hold them all; short ones have."""
    app = FastAPI()
    Database(database_url, metadata=Base.metadata).attach(app)
    app.include_router(resource(Scan))
    async with client_of(app) as client:
        sorted_by = [(await client.get("/scans", params={"sort": name})).status_code
                     for name in ("image", "digest")]  # fmt: skip
    assert sorted_by == [422, 200]
