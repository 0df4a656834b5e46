"""A public model that only names columns is not run: what it would have made is what is shown."""

from __future__ import annotations

import random
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel
from pydantic.types import StringConstraints
from sqlalchemy import BigInteger, MetaData, Numeric, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column
from sqlmodel import Field as SQLField
from sqlmodel import SQLModel

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of
from tests.resources.people import NAMES, Colour, person

pytestmark = pytest.mark.anyio


class Own(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Sample(Own):
    __tablename__ = "plain_samples"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    big: Mapped[int | None] = mapped_column(BigInteger)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    born: Mapped[datetime | None]
    day: Mapped[date | None]
    at: Mapped[time | None]
    ratio: Mapped[float | None]
    is_member: Mapped[bool | None]
    colour: Mapped[Colour | None]
    code: Mapped[UUID | None] = mapped_column(Uuid)
    notes: Mapped[str | None] = mapped_column(Text)


class PlainSample(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    name: str
    id: int
    big: int | None
    price: Decimal | None
    born: datetime | None
    day: date | None
    at: time | None
    ratio: float | None
    is_member: bool | None
    colour: Colour | None
    code: UUID | None
    notes: str | None


class RunSample(PlainSample):
    @model_validator(mode="after")
    def nothing(self) -> RunSample:
        """Change nothing."""
        return self


plain = resource(Sample, path="/plain", public_model=PlainSample)
run = resource(Sample, path="/run", public_model=RunSample)


@pytest.mark.long
async def test_values_of_each_type_are_as_the_model_writes_them(database_url: str) -> None:
    """Byte for byte, in lists, rows and parts of them."""
    app = FastAPI()
    db = Database(database_url, metadata=Own.metadata)
    db.attach(app)
    app.include_router(plain)
    app.include_router(run)
    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            source = random.Random(3)
            columns = [name for name in NAMES if hasattr(Sample, name)]
            rows = [person(source) for _ in range(40)]
            session.add_all([Sample(**{name: row[name] for name in columns}) for row in rows])
        for query in ("limit=50", "fields=born,price,isMember", "sort=-ratio,id", "big__ge=1"):
            for _ in range(2):
                shown = [await client.get(f"/{path}?{query}") for path in ("plain", "run")]
                if "fields" not in query:
                    assert shown[0].content == shown[1].content
                assert shown[0].json() == shown[1].json()
        for number in range(1, 9):
            one, other = [await client.get(f"/{path}/{number}") for path in ("plain", "run")]
            assert one.content == other.content


def test_doors_are_kept_by_plain_models_alone() -> None:
    """What has code, or another type than its column, is run."""
    assert plain.exposure.view(None).shape is None
    assert run.exposure.view(None).shape is not None


class Note(Own):
    __tablename__ = "plain_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(String(20))
    size: Mapped[int | None]


def with_text(annotation: Any, default: Any = None, **config: Any) -> type[BaseModel]:
    members = {"__annotations__": {"id": int, "text": annotation}, "text": default}
    options = {"model_config": ConfigDict(**config), "__module__": __name__}  # type: ignore[typeddict-item]
    return type("Out", (BaseModel,), {**members, **options})


@pytest.mark.parametrize(
    ("annotation", "config", "is_plain"),
    [
        (str, {}, True), (str | None, {"extra": "forbid", "frozen": True}, True),
        (Annotated[str, Field(max_length=20, min_length=1)], {"from_attributes": True}, True),
        (int, {}, False), (Any, {}, False), (str | int, {}, False), (bytes, {}, False),
        (str, {"str_to_upper": True}, False), (str, {"str_strip_whitespace": True}, False),
        (Annotated[str, StringConstraints(to_lower=True)], {}, False),
        (Annotated[str, AfterValidator(str.upper)], {}, False),
        (Annotated[str, PlainSerializer(str.upper)], {}, False),
        (Annotated[str, Field(exclude=True)], {}, False),
    ],
)  # fmt: skip
def test_what_may_change_a_value_is_never_taken_for_plain(
    annotation: Any, config: Any, is_plain: bool
) -> None:
    """Of annotations and of settings."""
    model = with_text(annotation, **config)
    notes = resource(Note, path=f"/notes{id(model)}", public_model=model)
    assert (notes.exposure.view(None).shape is None) is is_plain


class Read(SQLModel):
    id: int
    text: str | None = SQLField(max_length=20)


def test_models_of_sqlmodel_are_plain() -> None:
    """Their own methods do as Pydantic's."""
    notes = resource(Note, path="/sqlmodel", public_model=Read)
    assert notes.exposure.view(None).shape is None


class Overridden(BaseModel):
    id: int

    def model_post_init(self, _context: Any, /) -> None:
        """Do something."""


class Constructed(BaseModel):
    id: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Dumped(BaseModel):
    id: int

    def model_dump(self, **_options: Any) -> dict[str, Any]:
        """Say less."""
        return {}


@pytest.mark.parametrize("model", [Overridden, Constructed, Dumped])
def test_methods_of_the_program_s_own_are_code(model: type[BaseModel]) -> None:
    """Whatever they do."""
    notes = resource(Note, path=f"/notes{id(model)}", public_model=model)
    assert notes.exposure.view(None).shape is not None
