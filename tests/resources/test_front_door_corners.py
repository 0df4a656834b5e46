"""Models and rows that the front door might answer for otherwise, each against the ordinary way."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Computed,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    MetaData,
    Numeric,
    String,
    Text,
    TypeDecorator,
    Uuid,
    func,
    type_coerce,
)  # fmt: skip
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, mapped_column

from ormolu import Model, resource
from tests.fixtures.backends import Backend
from tests.resources.newest import run_on_the_newest
from tests.resources.twins import twins_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

Urls = tuple[str, str]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Odd(Base):
    """Names that mean something to somebody."""

    __tablename__ = "select"
    id: Mapped[int] = mapped_column("key 0", primary_key=True, autoincrement=False)
    v0: Mapped[int | None] = mapped_column("limit")
    s0: Mapped[str | None] = mapped_column(String(9))
    last: Mapped[str | None] = mapped_column('"', String(9))
    quoted: Mapped[str | None] = mapped_column("it's", String(9), default="d")
    percent: Mapped[int | None] = mapped_column("50%s", default=lambda: 3)
    colon: Mapped[int | None] = mapped_column("a:b", onupdate=4)
    question: Mapped[int | None] = mapped_column("a?", default=1)
    version: Mapped[int | None] = mapped_column("version_id")
    allowed: Mapped[bool | None] = mapped_column("keys")
    k0: Mapped[int | None] = mapped_column("key 0_1")
    äöü: Mapped[int | None] = mapped_column("after 0")
    brackets: Mapped[int | None] = mapped_column("x(y)[z]", default=2)


odd = resource(Odd, writable={"id"})


@pytest.mark.long
async def test_names_that_mean_something(twin_urls: Urls) -> None:
    """Of columns that are called as parts of our own statements are."""
    async with twins_of(twin_urls, Base.metadata, odd) as twins:
        for number in range(1, 6):
            body = {"id": number, "v0": number % 2, "s0": f"'{number}\"", "äöü": number}
            await twins.through("POST", "/select", json=body)
        await twins.through("POST", "/select", json={"id": 6, "quoted": "%s", "allowed": True})
        await twins.through("PATCH", "/select/6", json={"percent": 8, "last": "?", "version": 5})
        await twins.through("GET", "/select/6")
        await twins.through("GET", "/select/6?fields=v0,s0,äöü,quoted")
        path = "/select?limit=2&sort=-v0,s0,äöü"
        cursor = (await twins.through("GET", path)).json()["next_cursor"]
        await twins.through("GET", f"{path}&cursor={cursor}")
        await twins.through("DELETE", "/select/6")
        await twins.compare(Odd.__table__)  # type: ignore[arg-type]


class Loose(Base):
    """Columns that SQLite lets hold anything."""

    __tablename__ = "loose"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None]
    words: Mapped[str | None] = mapped_column(String(40))
    is_on: Mapped[bool | None]
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


loose = resource(Loose)
STRANGERS = ("'abc'", "'1'", "''", "1.5", "0.1 + 0.2", "1e300", "9e999", "-0.0", "x'ff'", "x'00'",
             "9223372036854775807", "'false'", "'true'", "2", "0.5", "'a' || char(0) || 'b'",
             "char(8232, 127, 31, 8, 34, 92, 47, 128512)", "cast(x'ff' as text)",
             "cast(x'eda080' as text)", "5e-324", "12345678901234567.0", "'1e5'")  # fmt: skip


@pytest.mark.long
@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("column", ["number", "words", "is_on", "version"])
async def test_values_of_other_types(twin_urls: Urls, column: str) -> None:
    """What was written past the program is read, listed and changed alike."""
    async with twins_of(twin_urls, Base.metadata, loose) as twins:
        for number, stranger in enumerate(STRANGERS, 1):
            rows = f"INSERT INTO loose (id, version) VALUES ({number}, 1)"
            await twins.execute(rows, f"UPDATE loose SET {column} = {stranger} WHERE id = {number}")
            for _ in range(2):
                await twins.send("GET", f"/loose/{number}")
                await twins.send("GET", f"/loose/{number}?fields={column}")
                await twins.send("GET", f"/loose?id={number}")
            await twins.send("PATCH", f"/loose/{number}", json={"id": 1})
            await twins.send("PATCH", f"/loose/{number}", json={"words": "x"})
            await twins.send("PATCH", f"/loose/{number}", json={"number": 5})
        await twins.compare(Loose.__table__)  # type: ignore[arg-type]
        assert twins.answered > 10


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Dated(Base):
    """Values that may not be readable."""

    __tablename__ = "dated"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour | None] = mapped_column(Enum(Colour, native_enum=False, length=9))
    day: Mapped[date | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(9, 2))
    any: Mapped[Any] = mapped_column(JSON, nullable=True)
    count: Mapped[int] = mapped_column(default=0)


dated = resource(Dated)


@pytest.mark.long
@pytest.mark.parametrize("value", ["colour = 'GREEN'", "day = 'x'", "\"any\" = '{'", "price = 'x'"])
async def test_rows_that_cannot_be_read(twin_urls: Urls, backend: Backend, value: str) -> None:
    """A change whose answer is an error is not stored."""
    if backend.is_postgresql and not value.startswith("colour"):
        return
    async with twins_of(twin_urls, Base.metadata, dated) as twins:
        await twins.execute("INSERT INTO dated (id, count) VALUES (1, 1), (2, 2)")
        await twins.execute(f"UPDATE dated SET {value} WHERE id = 1")
        for number in (1, 2):
            for method, path in (("GET", f"/dated/{number}"), ("GET", "/dated")):
                await twins.send(method, path)
            await twins.send("PATCH", f"/dated/{number}", json={"count": 5})
        await twins.compare(Dated.__table__)  # type: ignore[arg-type]
        assert twins.answered > 0


class Timed(Base):
    """Moments that PostgreSQL knows and Python does not."""

    __tablename__ = "timed"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date | None]
    at: Mapped[time | None]
    moment: Mapped[datetime | None]
    local: Mapped[Any] = mapped_column(DateTime(), nullable=True)
    wait: Mapped[timedelta | None] = mapped_column(Interval)
    price: Mapped[Decimal | None] = mapped_column(Numeric())
    count: Mapped[int] = mapped_column(default=0)


timed = resource(Timed)
MOMENTS = (
    "day = '0044-03-15 BC'", "day = '10000-01-01'", "day = 'infinity'", "at = '24:00'",
    "moment = '0001-01-01 00:00:00+14'", "moment = '9999-12-31 23:59:59-10'",
    "moment = '-infinity'", "local = '20000-01-01'", "wait = '100000000 years'",
    "wait = '-3 months 2 days'", "wait = '3000000 days'", "price = 'NaN'", "price = 1e400",
)  # fmt: skip


@pytest.mark.backends("asyncpg")
async def test_moments_beyond_those_of_python(twin_urls: Urls) -> None:
    """A change whose answer is an error is not stored, and whoever comes with it is not harmed."""
    async with twins_of(twin_urls, Base.metadata, timed) as twins:
        for number, moment in enumerate(MOMENTS, 1):
            await twins.execute(f"INSERT INTO timed (id, count) VALUES ({number}, {number})",
                                f"UPDATE timed SET {moment} WHERE id = {number}")  # fmt: skip
        numbers = range(1, len(MOMENTS) + 1)
        sent: Any = [("PATCH", f"/timed/{number}", {"json": {"count": 50}}) for number in numbers]
        await twins.send_all(sent)
        for number in numbers:
            await twins.send("GET", f"/timed/{number}")
            await twins.send("GET", f"/timed/{number}?fields=count")
            await twins.send("PATCH", f"/timed/{number}", json={"count": 5})
        await twins.compare(Timed.__table__)  # type: ignore[arg-type]
        assert twins.answered > len(MOMENTS)


class Computing(Base):
    """Values that SQL computes."""

    __tablename__ = "computing"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None]
    ratio: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(9, 2))
    doc: Mapped[Any] = mapped_column(JSON, nullable=True)
    twice: Mapped[int | None] = mapped_column(Computed("number * 2"))

    @hybrid_property
    def third(self) -> int:
        """An integer by its annotation alone."""
        return func.abs(self.ratio)  # type: ignore[return-value]

    @hybrid_property
    def as_float(self) -> float:
        """A decimal that is declared a float."""
        return type_coerce(self.price, Float())  # type: ignore[return-value]

    @hybrid_property
    def as_decimal(self) -> Decimal:
        """A float that is declared a decimal."""
        return type_coerce(self.ratio, Numeric(9, 2))  # type: ignore[return-value]

    @hybrid_property
    def whole(self) -> Decimal:
        """An integer that is declared a decimal."""
        return type_coerce(self.number, Numeric(9, 2))  # type: ignore[return-value]


Computing.half = column_property(type_coerce(Computing.number, Float()) / 2)
computing = resource(Computing)


@pytest.mark.long
async def test_computed_values(twin_urls: Urls) -> None:
    """Of another type than they are declared with."""
    async with twins_of(twin_urls, Base.metadata, computing) as twins:
        for number, ratio in enumerate([0.1 + 0.2, 1e300, -0.0, 5e-324, 2.5, None, 12345678.9], 1):
            body = {"number": number, "ratio": ratio, "price": "12.50", "doc": {"a": [1, "x"]}}
            await twins.send("POST", "/computing", json=body)
            await twins.through("GET", f"/computing/{number}")
            await twins.through("GET", f"/computing/{number}?fields=id,third")
            await twins.through("GET", f"/computing?fields=third,number&id={number}")
        await twins.through("GET", "/computing")
        await twins.send("PATCH", "/computing/1", json={"number": None, "price": None})
        await twins.through("GET", "/computing/1")


class Ours(Model):
    """Tables that only SQLite can have."""

    __abstract__ = True
    metadata = MetaData()


class Documented(Ours):
    __tablename__ = "documented"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[str | None] = mapped_column(
        Text, Computed("json_extract(doc, '$.tags')", persisted=False)
    )

    @hybrid_property
    def also(self) -> str:
        """Text to the program, and JSON to SQLite."""
        return func.json_extract(self.doc, "$.tags", type_=String())  # type: ignore[return-value]


documented = resource(Documented)


@pytest.mark.long
@pytest.mark.backends("sqlite")
async def test_text_that_is_json_to_sqlite(twin_urls: Urls) -> None:
    """It is text in the answer."""
    async with twins_of(twin_urls, Ours.metadata, documented) as twins:
        await twins.send("POST", "/documented", json={"doc": '{"tags": [1, "a"]}'})
        await twins.send("PATCH", "/documented/1", json={"doc": '{"tags": {"a": null}}'})
        for query in ("", "?fields=tags", "?fields=also", "?fields=doc"):
            await twins.through("GET", f"/documented/1{query}")
            await twins.through("GET", f"/documented{query}")


class Shout(TypeDecorator[str]):
    """Stores in capitals, reads in small letters, NULL as a dash."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return "-" if value is None else value.upper()

    def process_result_value(self, value: str | None, _dialect: Any) -> str | None:
        if value == "BOOM":
            raise ValueError(value)
        return None if value in {None, "-"} else value.lower()


class Decorated(Base):
    """Types of the program's own, as types and as variants."""

    __tablename__ = "decorated"
    code: Mapped[str] = mapped_column(Shout(), primary_key=True)
    text: Mapped[str | None] = mapped_column(Shout())
    varied: Mapped[str | None] = mapped_column(
        String(40).with_variant(Shout(), "sqlite", "postgresql")
    )
    flag: Mapped[Any] = mapped_column(Integer().with_variant(Boolean(), "sqlite"), nullable=True)
    uid: Mapped[str | None] = mapped_column(
        String(40).with_variant(Uuid(as_uuid=False), "sqlite", "postgresql")
    )


decorated = resource(Decorated)


@pytest.mark.long
async def test_types_of_the_programs_own(twin_urls: Urls) -> None:
    """Wherever they come from."""
    async with twins_of(twin_urls, Base.metadata, decorated) as twins:
        await twins.send("POST", "/decorated", json={"code": "Ab", "varied": "Cd", "flag": 1})
        await twins.send("POST", "/decorated", json={"code": "x", "text": None, "varied": None})
        for _ in range(2):
            for path in ("", "/ab", "/AB", "/x", "/x?fields=varied,flag", "?sort=varied&limit=1"):
                await twins.send("GET", f"/decorated{path}")
        await twins.send("PATCH", "/decorated/ab", json={"varied": "Ef", "flag": 0})
        await twins.execute("UPDATE decorated SET varied = 'BOOM' WHERE code = 'X'")
        await twins.send("PATCH", "/decorated/x", json={"text": "not stored"})
        await twins.send("DELETE", "/decorated/AB")
        await twins.compare(Decorated.__table__)  # type: ignore[arg-type]
        assert twins.answered


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.backends("sqlite")
def test_on_the_newest_sqlite(backend: object) -> None:
    """All of this again: what is JSON to SQLite has changed, as BLOBs that it reads as JSON."""
    run_on_the_newest(__file__)
