"""Types of the projects' own, as they write them."""

from __future__ import annotations

import base64
import enum
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

__all__ = [
    "GUID", "JSONB", "Choices", "Color", "Encrypted", "JSONText", "LowerText", "Money", "NaiveUTC",
    "Palette", "Pydantic", "Search", "Seconds", "StringEnum", "Texts", "UTCMoment",
]  # fmt: skip

JSONB = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
Texts = postgresql.ARRAY(sa.Text).with_variant(sa.JSON(), "sqlite", "mysql", "mariadb")


class GUID(TypeDecorator[uuid.UUID]):
    """The recipe of SQLAlchemy's documentation: UUID there, CHAR(32) elsewhere."""

    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=True))
        return dialect.type_descriptor(sa.CHAR(32))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        found = value if isinstance(value, uuid.UUID) else uuid.UUID(value)
        return found if dialect.name == "postgresql" else found.hex

    def process_result_value(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        if value is None or isinstance(value, uuid.UUID):
            return value
        return uuid.UUID(value)


class StringEnum(TypeDecorator[enum.Enum]):
    """Members of an enumeration by their values, in text."""

    impl = sa.Unicode
    cache_ok = True

    def __init__(self, kind: type[enum.Enum], **options: Any) -> None:
        super().__init__(**options)
        self.kind: type[enum.Enum] = kind

    @property
    def python_type(self) -> type[Any]:
        return self.kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value.value if isinstance(value, self.kind) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.kind(value)


class Choices(TypeDecorator[str]):
    """One of some words."""

    impl = sa.String(20)
    cache_ok = True

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words: tuple[str, ...] = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and value not in self.words:
            message = f"{value!r} is none of {self.words}"
            raise ValueError(message)
        return value


class NaiveUTC(TypeDecorator[datetime]):
    """Moments that are aware in the program, and stored without a zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _aware(value).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class UTCMoment(TypeDecorator[datetime]):
    """Moments with a zone, where the backend has one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _aware(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _aware(value)


def _aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JSONText(TypeDecorator[dict[str, Any]]):
    """JSON as text, as databases had it before they knew JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else dict(json.loads(value))


class Palette(BaseModel):
    """A value that is stored as JSON."""

    front: str = "black"
    depth: int = 1


class Pydantic(TypeDecorator[Palette]):
    """A Pydantic model as JSON."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Palette | None, dialect: Dialect) -> Any:
        return None if value is None else value.model_dump(mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Palette | None:
        return None if value is None else Palette.model_validate(value)


class Encrypted(TypeDecorator[str]):
    """Text that is not legible in the table; a real one has a key."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else base64.b64encode(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else base64.b64decode(value).decode()


class LowerText(TypeDecorator[str]):
    """Text in small letters: addresses of people."""

    impl = sa.String(120)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.lower()


class Search(sa.types.UserDefinedType[str]):
    """A column that only the database fills and reads, as searching packages have it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TSVECTOR"


class Money(TypeDecorator[int]):
    """Cents as a number that prints."""

    impl = sa.BigInteger
    cache_ok = True

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class Seconds(TypeDecorator[timedelta]):
    """How long something took, in seconds."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


class Color(enum.Enum):
    """What most projects have one of."""

    RED = "red"
    DARK_BLUE = "dark blue"
