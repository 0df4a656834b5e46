"""Constraints in annotations hold for what clients write, and stand in the document."""

from __future__ import annotations

import logging
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NewType

import pytest
from annotated_types import Ge, Len, MaxLen, MultipleOf, Predicate
from fastapi import FastAPI
from pydantic import (
    AfterValidator,
    AnyUrl,
    BeforeValidator,
    Field,
    PositiveInt,
    StringConstraints,
    constr,
)
from sqlalchemy import BigInteger, Integer, MetaData, Numeric, SmallInteger, String
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlmodel import Field as SQLField
from sqlmodel import SQLModel
from typing_extensions import TypeAliasType

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of

if TYPE_CHECKING:
    from somewhere import Else  # type: ignore[import-not-found]

Name = Annotated[str, mapped_column(String(30))]
Short = Annotated[str, mapped_column(String(30)), StringConstraints(max_length=4)]
Code = NewType("Code", str)
Zip = TypeAliasType("Zip", Annotated[str, StringConstraints(min_length=5)])


class Mood(Enum):
    """Choices."""

    GOOD = "good"
    BAD = "bad"


def _good(value: Mood) -> Mood:
    if value is Mood.BAD:
        message = "is bad"
        raise ValueError(message)
    return value


def _even(value: int) -> int:
    if value % 2:
        message = "must be even"
        raise ValueError(message)
    return value


class Base(Model):
    """Columns with constraints."""

    __abstract__ = True
    metadata = MetaData()
    type_annotation_map = {  # noqa: RUF012
        **Model.type_annotation_map,
        PositiveInt: Integer(),
        Code: String(12),
        AnyUrl: String(100),
    }


class Ranked:
    """A mixin whose column is declared by a function."""

    @declared_attr
    def rank(cls) -> Mapped[Annotated[int, Field(ge=1, le=9)]]:  # noqa: N805
        """Return a column."""
        return mapped_column(SmallInteger, default=1)

    @declared_attr
    def spare(cls):  # type: ignore[no-untyped-def]  # noqa: N805
        """Return a column without an annotation."""
        return mapped_column(String(9))


class Gauge(Ranked, Base):
    """A constraint of each kind."""

    __tablename__ = "rule_gauges"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[Name]
    short: Mapped[Short | None]
    length: Mapped[Annotated[str, StringConstraints(min_length=2, pattern="^[a-z]+$")] | None] = (
        mapped_column(String(20))
    )
    lower: Mapped[Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True)] | None]
    made: Mapped[constr(min_length=3) | None] = mapped_column(String(20))  # type: ignore[valid-type]
    level: Mapped[PositiveInt | None]
    step: Mapped[Annotated[int, Ge(-5), MultipleOf(5)] | None] = mapped_column(BigInteger)
    wide: Mapped[Annotated[int, Ge(-(10**30))] | None]
    long: Mapped[Annotated[str, MaxLen(900)] | None] = mapped_column(String(5))
    even: Mapped[Annotated[int, AfterValidator(_even)] | None]
    text: Mapped[Annotated[str, BeforeValidator(str)] | None] = mapped_column(String(9))
    upper: Mapped[Annotated[str, Predicate(str.isupper)] | None] = mapped_column(String(9))
    price: Mapped[Annotated[Decimal, Field(gt=0)] | None] = mapped_column(Numeric(8, 2))
    mood: Mapped[Literal["fine", "bad"] | None] = mapped_column(String(9))
    code: Mapped[Code | None]
    site: Mapped[AnyUrl | None]
    items: Mapped[Annotated[list[Any], Len(1, 3)] | None] = mapped_column(default=None)
    zip: Mapped[Zip | None] = mapped_column(String(9))
    choice: Mapped[Annotated[Mood, AfterValidator(_good)] | None]
    other: ClassVar[Else | None] = None


class Pilot(SQLModel, table=True):
    """The same in SQLModel's own words."""

    __tablename__ = "rule_pilots"
    id: int | None = SQLField(default=None, primary_key=True)
    age: int = SQLField(default=20, ge=18, lt=70)
    name: str = SQLField(min_length=2, max_length=8)
    sign: str | None = SQLField(default=None, regex="^[A-Z]{2}$", max_length=2)
    hours: Annotated[int, Field(ge=0)] = 0


WRONG = [
    ("name", 5), ("short", "abcde"), ("length", "a"), ("length", "A1"), ("made", "ab"),
    ("level", 0), ("step", -10), ("step", 7), ("wide", 2**40), ("long", "abcdef"), ("even", 3),
    ("upper", "low"), ("price", "0"), ("mood", "odd"), ("site", "no url"), ("items", []),
    ("items", [1, 2, 3, 4]), ("rank", 10), ("text", "0123456789"),
    ("zip", "1234"), ("choice", "bad"),
]  # fmt: skip
RIGHT = {
    "short": "abcd", "length": "ab", "made": "abc", "level": 1, "step": -5, "wide": -3,
    "long": "abcde", "even": 4, "upper": "UP", "price": "0.01", "mood": "bad", "items": [1],
    "rank": 9, "text": "x", "code": "c",
    "zip": "12345", "choice": "good", "spare": "s",
}  # fmt: skip


def _app(url: str, model: type[Any]) -> FastAPI:
    app = FastAPI()
    Database(url, metadata=model.metadata, pool_timeout=20.0).attach(app)
    app.include_router(resource(model, path="/rows"))
    return app


@pytest.mark.long
async def test_constraints_hold_for_creates_and_changes(database_url: str) -> None:
    """What breaks one is 422 at its field; what keeps all is stored as it is."""
    async with client_of(_app(database_url, Gauge)) as client:
        row = (await client.post("/rows", json={"name": "a", **RIGHT})).json()
        assert {name: row[name] for name in RIGHT} == RIGHT
        for name, value in WRONG:
            for method, path in (("POST", "/rows"), ("PATCH", f"/rows/{row['id']}")):
                answer = await client.request(method, path, json={"name": "a", name: value})
                assert answer.status_code == 422, (name, value, answer.text)
                assert answer.json()["errors"][0]["pointer"].split("/")[1] == name


@pytest.mark.long
async def test_values_are_stored_as_validators_leave_them(database_url: str) -> None:
    """In lower case, without spaces, as text; and NULL passes them all."""
    async with client_of(_app(database_url, Gauge)) as client:
        sent = {"name": "a", "lower": "  Abc ", "site": "http://Ab.example", "text": 5}
        row = (await client.post("/rows", json=sent)).json()
        assert (row["lower"], row["site"], row["text"]) == ("abc", "http://ab.example/", "5")
        empty = dict.fromkeys(name for name in RIGHT if name != "rank")
        assert (await client.patch(f"/rows/{row['id']}", json=empty)).status_code == 200


def test_constraints_stand_in_the_document() -> None:
    """Of a new row, and of a change."""
    schemas = resource(Gauge, path="/rows").schemas
    for schema in (schemas.create.model_json_schema(), schemas.update.model_json_schema()):
        properties = {
            name: {**each, **(each.get("anyOf") or [{}])[0]}
            for name, each in schema["properties"].items()
        }
        assert properties["length"]["minLength"] == 2
        assert properties["length"]["pattern"] == "^[a-z]+$"
        assert properties["short"]["maxLength"] == 4
        assert properties["long"]["maxLength"] == 5
        assert (properties["rank"]["minimum"], properties["rank"]["maximum"]) == (1, 9)
        assert properties["level"]["exclusiveMinimum"] == 0
        assert properties["step"]["multipleOf"] == 5
        assert properties["wide"]["minimum"] == -(2**31)
        assert properties["mood"]["enum"] == ["fine", "bad"]
        assert properties["site"]["format"] == "uri"
        assert properties["items"]["minItems"] == 1


@pytest.mark.long
async def test_constraints_of_sqlmodel_hold(database_url: str) -> None:
    """Though SQLModel itself does not ask them of tables."""
    async with client_of(_app(database_url, Pilot)) as client:
        row = (await client.post("/rows", json={"name": "ann", "sign": "AB"})).json()
        assert (row["age"], row["hours"]) == (20, 0)
        for name, value in (
            ("age", 17), ("age", 70), ("name", "a"), ("name", "a" * 9), ("sign", "ab"),
            ("hours", -1),
        ):  # fmt: skip
            answer = await client.patch(f"/rows/{row['id']}", json={name: value})
            assert answer.status_code == 422, (name, value)


def test_a_constraint_that_cannot_be_asked_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The column is what it is without it."""

    class Odd(Base):
        __tablename__ = "rule_odds"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[Annotated[int, Field(pattern="a")]] = mapped_column(Integer)

    with caplog.at_level(logging.WARNING, "ormolu"):
        properties = resource(Odd).schemas.create.model_json_schema()["properties"]
    assert properties["size"]["type"] == "integer"
    assert "size: its annotation cannot be checked" in caplog.text
