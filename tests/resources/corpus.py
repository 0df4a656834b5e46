"""Kinds of columns as programs declare them: their types, and values as a client sends them."""

from __future__ import annotations

import enum
import ipaddress
import json
import pathlib
import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
import sqlalchemy_utils as utils  # type: ignore[import-untyped]
from cryptography.fernet import Fernet
from fastapi_users_db_sqlalchemy import generics as users
from pydantic import AnyUrl, BaseModel
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.types import TypeDecorator
from sqlmodel.sql.sqltypes import AutoString

with warnings.catch_warnings():
    # It uses what SQLAlchemy 2.1 no longer needs.
    warnings.simplefilter("ignore", sa.exc.SADeprecationWarning)
    from advanced_alchemy import types as alchemy

EQUAL = frozenset({"eq", "ne", "in", "not_in", "isnull"})
ORDER = EQUAL | {"lt", "le", "gt", "ge", "between"}
TEXT = ORDER | {"like", "ilike", "startswith", "endswith", "contains"}
NULL = frozenset({"isnull"})
LIST = EQUAL | {"contains", "overlap"}

EVERYWHERE = ("sqlite", "asyncpg", "psycopg", "mariadb")
POSTGRESQL = ("asyncpg", "psycopg")
MARIADB = ("mariadb",)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of column.

    Attributes:
        name: Of its table.
        type: Makes the column's type.
        annotation: What stands in `Mapped[...]`.
        values: As a client sends them, ascending if they have an order.
        operators: Those of its filters.
        shown: What answers have of the values, if it is not what was sent.
        bad: Values that are refused.
        is_sorted: Whether a list can be sorted by it.
        is_key: Whether it is tried as a primary key, too.
        backends: Where there is such a type.
    """

    name: str
    type: Callable[[], Any]
    annotation: Any = Any
    values: Sequence[Any]
    operators: frozenset[str] = EQUAL
    shown: Sequence[Any] = ()
    bad: Sequence[Any] = ()
    is_sorted: bool = True
    is_key: bool = False
    backends: Sequence[str] = EVERYWHERE

    @property
    def answers(self) -> Sequence[Any]:
        """Return what answers have of the values."""
        return self.shown or self.values


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 5


class Tone(enum.Enum):
    DARK = "dark/blue"
    LIGHT = "light"


class Address(BaseModel):
    street: str
    number: int = 1


class GUID(TypeDecorator[uuid.UUID]):
    """As SQLAlchemy's documentation has it."""

    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_native = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.UUID() if is_native else sa.CHAR(32))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return None if value is None else str(value)
        return uuid.UUID(str(value)).hex

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


class TextGUID(TypeDecorator[Any]):
    """A UUID that the program has as text without hyphens."""

    impl = sa.CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else uuid.UUID(str(value)).hex


class BytesGUID(TypeDecorator[uuid.UUID]):
    impl = sa.LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_mariadb = dialect.name in {"mysql", "mariadb"}
        return dialect.type_descriptor(sa.BINARY(16) if is_mariadb else sa.LargeBinary(16))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.bytes

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else uuid.UUID(bytes=bytes(value))


class Words(TypeDecorator[Any]):
    impl = sa.String(200)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else "|".join(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.split("|")


class Thousandths(TypeDecorator[Decimal]):
    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value * 1000)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Decimal(value) / 1000


class Document(TypeDecorator[Any]):
    """A Pydantic model, as JSON in a text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Address | None, dialect: Any) -> Any:
        return None if value is None else value.model_dump_json()

    def process_result_value(self, value: Any, dialect: Any) -> Address | None:
        return None if value is None else Address.model_validate_json(value)


class NativeDocument(Document):
    """The same, as JSON where the backend has it."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        is_native = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.JSONB() if is_native else sa.Text())

    def process_bind_param(self, value: Address | None, dialect: Any) -> Any:
        if value is None or dialect.name != "postgresql":
            return super().process_bind_param(value, dialect)
        return value.model_dump()

    def process_result_value(self, value: Any, dialect: Any) -> Address | None:
        return (
            Address(**value)
            if isinstance(value, dict)
            else super().process_result_value(value, dialect)
        )


class Sealed(TypeDecorator[str]):
    """Text that is another text each time it is stored."""

    impl = sa.LargeBinary
    cache_ok = True
    _fernet = Fernet(Fernet.generate_key())

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else self._fernet.encrypt(value.encode())

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else self._fernet.decrypt(bytes(value)).decode()


class Small(TypeDecorator[str]):
    """Text in small letters."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.lower()


class SmallFixed(Small):
    impl = sa.CHAR(9)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        # As programs do that compare it.
        assert value is None or value == value.strip()
        return value


class Path(TypeDecorator[pathlib.PurePosixPath]):
    impl = sa.String(100)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else pathlib.PurePosixPath(value)


class Url(TypeDecorator[AnyUrl]):
    impl = sa.String(200)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else AnyUrl(value)


class ByNumber(TypeDecorator[Level]):
    """An enumeration by its number."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Level(value)


class ByValue(TypeDecorator[Tone]):
    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Tone(value)


class Aware(TypeDecorator[datetime]):
    """Moments in UTC over a column that keeps no offset."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.replace(tzinfo=UTC)


class Flags(TypeDecorator[Any]):
    """A set of names; the decorator says nothing of it."""

    impl = sa.String(100)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else ",".join(sorted(value))

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else set(value.split(","))


IDS = [str(uuid.UUID(int=number)) for number in (1, 2**100 + 10, 2**128 - 1)]
BYTES = ["AAA=", "YWI=", "_w-_"]
MOMENTS = ["2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"]


def _same(type_: Any) -> Callable[[], Any]:
    return lambda: type_


CORPUS = [
    # UUIDs, as the world writes them.
    *(
        Kind(
            name=name,
            type=make,
            annotation=annotation,
            values=IDS,
            bad=["nope", 7, "1" * 31],
            is_key=True,
        )
        for name, annotation, make in (
            ("uuid", uuid.UUID, sa.Uuid),
            ("uuid_char", uuid.UUID, lambda: sa.Uuid(native_uuid=False)),
            ("guid", uuid.UUID, GUID),
            ("guid_untold", Any, GUID),
            ("guid_bytes", uuid.UUID, BytesGUID),
            ("guid_users", uuid.UUID, users.GUID),
            ("guid_utils", uuid.UUID, utils.UUIDType),
            ("guid_utils_text", uuid.UUID, lambda: utils.UUIDType(binary=False)),
            ("guid_utils_own", uuid.UUID, lambda: utils.UUIDType(native=False, binary=False)),
            ("guid_alchemy", uuid.UUID, alchemy.GUID),
            ("guid_alchemy_text", uuid.UUID, lambda: alchemy.GUID(binary=False)),
        )
    ),
    Kind(
        name="guid_variant",
        annotation=str,
        values=IDS,
        bad=["nope"],
        is_key=True,
        type=lambda: sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql"),
    ),
    Kind(
        name="guid_hex",
        type=TextGUID,
        annotation=str,
        values=[uuid.UUID(each).hex for each in IDS],
        operators=TEXT,
        bad=["nope"],
        is_key=True,
    ),
    # Text.
    Kind(
        name="autostring", type=AutoString, annotation=str, values=["A", "a", "b b"], operators=TEXT
    ),
    Kind(
        name="small",
        type=Small,
        annotation=str,
        values=["A", "b"],
        shown=["a", "b"],
        operators=TEXT,
    ),
    # Numbers of so many bits, which MySQL takes for digits.
    Kind(
        name="double_bits",
        type=lambda: sa.Double(53),
        annotation=float,
        values=[0.1234567890123, 1.5],
        operators=ORDER,
        bad=["x"],
    ),
    Kind(
        name="double_decimal",
        type=lambda: sa.DOUBLE_PRECISION(53, asdecimal=True),
        annotation=Decimal,
        values=["0.5000000000", "1.5000000000"],
        operators=ORDER,
    ),
    Kind(
        name="fixed",
        type=lambda: sa.CHAR(6),
        annotation=str,
        values=["A", "a b", "abcdef"],
        operators=TEXT,
        bad=["a ", " ", "a" * 7],
        is_key=True,
    ),
    Kind(
        name="fixed_small",
        type=SmallFixed,
        annotation=str,
        values=["A", "b"],
        shown=["a", "b"],
        is_sorted=False,
    ),
    Kind(
        name="email",
        type=utils.EmailType,
        annotation=str,
        values=["a@b.c", "d@e.f"],
        operators=TEXT,
    ),
    Kind(
        name="sealed",
        type=Sealed,
        annotation=str,
        values=["hi", "aGk="],
        operators=NULL,
        bad=[1],
        is_sorted=False,
    ),
    Kind(
        name="sealed_utils",
        annotation=str,
        values=["hi", "aGk="],
        bad=[1],
        is_sorted=False,
        type=lambda: utils.StringEncryptedType(sa.String, "key"),
    ),
    Kind(
        name="sealed_number",
        annotation=int,
        values=[3, 12],
        bad=["x"],
        is_sorted=False,
        type=lambda: utils.StringEncryptedType(sa.Integer, "key", length=100),
    ),
    Kind(
        name="sealed_alchemy",
        annotation=str,
        values=["hi", "ho"],
        operators=NULL,
        is_sorted=False,
        type=lambda: alchemy.EncryptedString(key="a" * 32),
    ),
    # Lists, objects, models.
    Kind(
        name="words",
        type=Words,
        annotation=list[str],
        values=[["a", "b"], ["c"]],
        operators=NULL,
        bad=["a|b", [1], ["a|b"], []],
        is_sorted=False,
    ),
    Kind(
        name="scalars",
        type=lambda: utils.ScalarListType(int),
        values=[[1, 2], []],
        operators=NULL,
        bad=[["x"], 3],
        is_sorted=False,
    ),
    Kind(
        name="scalar_texts",
        type=utils.ScalarListType,
        annotation=list[str],
        values=[["a"], ["b", "c"]],
        operators=NULL,
        bad=[["a,b"]],
        is_sorted=False,
    ),
    Kind(
        name="flags",
        type=Flags,
        annotation=set[str],
        values=[["a"], ["b"]],
        operators=NULL,
        is_sorted=False,
    ),
    Kind(
        name="model",
        type=Document,
        annotation=Address,
        operators=NULL,
        is_sorted=False,
        values=[{"street": "x"}, {"street": "y", "number": 2}],
        shown=[{"street": "x", "number": 1}, {"street": "y", "number": 2}],
        bad=[{"street": 1}, {}, "x", []],
    ),
    Kind(
        name="model_untold",
        type=NativeDocument,
        operators=NULL,
        is_sorted=False,
        values=[{"street": "x", "number": 1}, {"street": "y", "number": 2}],
        bad=[{"street": 1}],
    ),
    Kind(
        name="json_models",
        type=sa.JSON,
        annotation=list[Address],
        operators=NULL,
        is_sorted=False,
        values=[[], [{"street": "x", "number": 1}]],
        bad=[{}, [{"street": 1}]],
    ),
    Kind(
        name="json_counts",
        type=sa.JSON,
        annotation=dict[str, int],
        operators=NULL,
        is_sorted=False,
        values=[{}, {"a": 1}],
        bad=[[], {"a": "x"}],
    ),
    Kind(
        name="json_mutable",
        type=lambda: MutableDict.as_mutable(sa.JSON),
        annotation=dict[str, Any],
        operators=NULL,
        is_sorted=False,
        values=[{}, {"a": [1, None]}],
        bad=[[]],
    ),
    Kind(
        name="json_variant",
        type=lambda: sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
        annotation=dict[str, Any],
        operators=NULL,
        is_sorted=False,
        values=[{}, {"a": [1, None]}],
        bad=["x"],
    ),
    Kind(
        name="json_utils",
        type=utils.JSONType,
        annotation=dict[str, Any],
        operators=NULL,
        is_sorted=False,
        values=[{}, {"a": [1, None]}],
        bad=["x"],
    ),
    # Numbers, members, moments.
    Kind(
        name="thousandths",
        type=Thousandths,
        annotation=Decimal,
        values=["-1.5", "0.001", "12.5"],
        operators=ORDER,
        bad=["0.0001", "x", True],
    ),
    Kind(
        name="identity_alchemy",
        type=_same(alchemy.BigIntIdentity),
        annotation=int,
        values=[-1, 2**60],
        operators=ORDER,
    ),
    Kind(name="by_number", type=ByNumber, annotation=Level, values=[1, 5], bad=[2, "LOW"]),
    Kind(
        name="by_value",
        type=ByValue,
        annotation=Tone,
        values=["dark/blue", "light"],
        bad=["DARK"],
        is_key=True,
    ),
    Kind(
        name="enum",
        type=lambda: sa.Enum(Tone),
        annotation=Tone,
        values=["dark/blue", "light"],
        bad=["DARK"],
        is_key=True,
    ),
    Kind(
        name="choice",
        type=lambda: utils.ChoiceType([("a", "Ann"), ("b", "Bo")]),
        values=["a", "b"],
        bad=["Ann", "c"],
        is_sorted=False,
    ),
    Kind(
        name="choice_enum",
        type=lambda: utils.ChoiceType(Level, impl=sa.Integer()),
        values=[1, 5],
        bad=[2],
    ),
    Kind(
        name="aware", type=Aware, annotation=datetime, values=MOMENTS, operators=ORDER, bad=["x", 3]
    ),
    Kind(
        name="utc_alchemy",
        type=alchemy.DateTimeUTC,
        annotation=datetime,
        values=MOMENTS,
        operators=ORDER,
        bad=["2026-01-01T00:00:00"],
    ),
    # Addresses, paths.
    Kind(
        name="ip",
        type=utils.IPAddressType,
        values=["10.0.0.1", "::1"],
        bad=["10.0.0", "x"],
        is_sorted=False,
    ),
    Kind(
        name="ip_told",
        type=utils.IPAddressType,
        annotation=ipaddress.IPv4Address,
        values=["10.0.0.1", "10.0.0.2"],
        bad=["::1"],
        is_sorted=False,
    ),
    Kind(
        name="path",
        type=Path,
        annotation=pathlib.PurePosixPath,
        values=["/a/b", "c"],
        bad=[1],
        is_sorted=False,
    ),
    Kind(
        name="url",
        type=Url,
        annotation=AnyUrl,
        values=["http://a.b/", "ftp://c/d"],
        bad=["x"],
        is_sorted=False,
    ),
    # Bytes.
    Kind(
        name="bytes",
        type=lambda: sa.LargeBinary(16),
        annotation=bytes,
        values=BYTES,
        bad=["?", 1],
        is_key=True,
    ),
    Kind(
        name="binary",
        type=lambda: sa.VARBINARY(20),
        annotation=bytes,
        values=BYTES,
        bad=["?", "A" * 40],
        is_key=True,
        backends=("sqlite", "mariadb"),
    ),
    Kind(
        name="single",
        type=sa.REAL,
        annotation=float,
        values=[-0.5, 0.1, 3.4e37],
        operators=ORDER,
        bad=[16777217.0, 1e300, 1e-300],
    ),
    Kind(name="double", type=sa.Float, annotation=float, values=[0.1, 16777217.0], operators=ORDER),
    # PostgreSQL alone.
    Kind(
        name="bit",
        type=lambda: postgresql.BIT(3),
        values=["001", "100"],
        bad=["1", "1x1", 1],
        backends=POSTGRESQL,
    ),
    Kind(
        name="bit_varying",
        type=lambda: postgresql.BIT(5, varying=True),
        values=["0", "01"],
        bad=["000000"],
        backends=POSTGRESQL,
    ),
    Kind(
        name="inet",
        type=postgresql.INET,
        values=["10.0.0.1/8", "10.0.0.1", "::1"],
        bad=["x"],
        shown=["10.0.0.1/8", "10.0.0.1", "::1"],
        backends=POSTGRESQL,
    ),
    Kind(
        name="cidr",
        type=postgresql.CIDR,
        values=["10.0.0.0/8", "::/64"],
        bad=["10.0.0.1/8"],
        backends=POSTGRESQL,
    ),
    Kind(
        name="macaddr",
        type=postgresql.MACADDR,
        values=["08:00:2b:01:02:03"],
        bad=["x"],
        backends=POSTGRESQL,
    ),
    *(
        Kind(
            name=f"range_{name.lower()}",
            type=getattr(postgresql, name),
            backends=POSTGRESQL,
            is_sorted=False,
            values=[
                {"lower": low, "upper": high, "bounds": "[)", "empty": False},
                {"lower": None, "upper": high, "bounds": "()", "empty": False},
            ],
            bad=["[1,2)", {"lower": high, "upper": low}, {"lower": "?"}, {"bounds": "x"}, []],
        )
        for name, low, high in (
            ("INT4RANGE", 1, 5),
            ("INT8RANGE", 1, 2**40),
            ("NUMRANGE", "1.5", "2"),
            ("DATERANGE", "2026-01-01", "2026-02-01"),
            ("TSRANGE", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
            ("TSTZRANGE", *MOMENTS),
        )
    ),
    Kind(
        name="ranges",
        type=postgresql.INT4MULTIRANGE,
        backends=POSTGRESQL,
        is_sorted=False,
        bad=[{}, [1]],
        values=[[], [{"lower": 1, "upper": 2, "bounds": "[)", "empty": False}]],
    ),
    Kind(
        name="clock",
        type=lambda: sa.Time(timezone=True),
        annotation=time,
        operators=ORDER,
        values=["10:00:00Z", "14:00:00+02:00"],
        shown=["10:00:00Z", "12:00:00Z"],
        bad=["12:00:00"],
    ),
    Kind(
        name="array",
        type=lambda: sa.ARRAY(sa.Integer),
        annotation=list[int],
        operators=LIST,
        is_sorted=False,
        values=[[], [1, 2]],
        bad=["x", [["x"]], 1],
        backends=POSTGRESQL,
    ),
    Kind(
        name="array_texts",
        type=lambda: postgresql.ARRAY(sa.Text),
        annotation=list[str],
        operators=LIST,
        is_sorted=False,
        values=[["a"], ["[b", "c"]],
        bad=["x", [1]],
        backends=POSTGRESQL,
    ),
    Kind(
        name="array_deep",
        type=lambda: postgresql.ARRAY(sa.Uuid, dimensions=2),
        operators=LIST,
        is_sorted=False,
        values=[[IDS[:2]], [[IDS[1]], [IDS[2]]]],
        bad=[IDS],
        backends=POSTGRESQL,
    ),
    Kind(
        name="jsonb",
        type=postgresql.JSONB,
        annotation=dict[str, Any],
        operators=NULL | {"contains"},
        is_sorted=False,
        values=[{}, {"a": 1}],
        bad=[1],
        backends=POSTGRESQL,
    ),
    Kind(
        name="array_or_json",
        annotation=list[str],
        operators=NULL,
        is_sorted=False,
        values=[[], ["a"]],
        bad=["a"],
        type=lambda: postgresql.ARRAY(sa.Text).with_variant(
            sa.JSON(), "sqlite", "mysql", "mariadb"
        ),
    ),
    Kind(
        name="oid",
        type=postgresql.OID,
        values=[1, 2**32 - 1],
        operators=ORDER,
        bad=[-1, "x"],
        backends=POSTGRESQL,
    ),
    # MariaDB alone.
    Kind(
        name="long",
        type=mysql.MEDIUMTEXT,
        values=["a", "b" * 300],
        operators=TEXT,
        backends=MARIADB,
    ),
    Kind(
        name="unsigned",
        type=lambda: mysql.INTEGER(unsigned=True),
        annotation=int,
        values=[0, 3_000_000_000],
        operators=ORDER,
        bad=[-1, 2**32],
        backends=MARIADB,
    ),
    Kind(
        name="tiny",
        type=lambda: mysql.TINYINT(1),
        annotation=int,
        values=[-128, 127],
        operators=ORDER,
        bad=[128],
        backends=MARIADB,
    ),
    Kind(
        name="year",
        type=mysql.YEAR,
        annotation=int,
        values=[1901, 2155],
        operators=ORDER,
        bad=[1],
        backends=MARIADB,
    ),
    Kind(
        name="bit_number",
        type=lambda: mysql.BIT(4),
        annotation=int,
        values=[0, 15],
        operators=ORDER,
        bad=[16],
        backends=MARIADB,
    ),
    Kind(
        name="set",
        type=lambda: mysql.SET("red", "blue"),
        annotation=set[str],
        backends=MARIADB,
        is_sorted=False,
        values=[["red"], ["blue", "red"]],
        shown=[["red"], ["red", "blue"]],
        bad=["red", ["green"]],
    ),
]


def query_text(value: Any) -> str:
    """Return a value as a query string has it."""
    if isinstance(value, str):
        return value
    return json.dumps(value)
