"""Random pairs of schemas: one, and what a few changes make of it."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from ormolu import Model

__all__ = ["ROWS", "Pair", "Schema", "in_kind", "pairs"]

# The keys of the rows of each table. Whole numbers have their row's, so that they are unique, lead
# to rows, and keep each CHECK that is drawn.
ROWS = (1, 2, 3)

# Kinds whose columns have a default in Python.
DEFAULTS = ("integer", "bigint", "text", "boolean", "enum", "words")

KINDS = ("integer", "bigint", "text", "long", "boolean", "decimal", "date", "json", "enum", "words")


# What a column may become, so that its values are the same again when it is what it was.
OTHER_KINDS = {
    "integer": ("text", "json"),
    "bigint": ("text", "json"),
    "text": ("long",),
    "boolean": ("integer", "text", "json"),
    "decimal": ("text",),
    "date": ("text", "json"),
    "enum": ("text",),
}


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A column; `was` is its name in the schema before."""

    name: str
    kind: str
    was: str | None = None
    nullable: bool = True
    length: int = 20
    default: bool = False
    server_default: int | None = None
    check: int | None = None
    index: bool = False
    unique: bool = False
    refers_to: str | None = None
    ondelete: str | None = None
    computed: int | None = None
    labels: int = 2


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Tables by their names, with their columns beside `id`, and `n`, of which some are computed.

    Of the tables in `long` both are of the longer type.
    """

    tables: dict[str, tuple[ColumnSpec, ...]] = field(default_factory=dict)
    long: frozenset[str] = frozenset()

    def metadata(self) -> sa.MetaData:
        metadata = sa.MetaData(naming_convention=Model.metadata.naming_convention)
        for name, columns in self.tables.items():
            kind = sa.BigInteger if name in self.long else sa.Integer
            key, number = sa.Column("id", kind, primary_key=True), sa.Column("n", kind)
            table = sa.Table(name, metadata, key, number)
            for spec in columns:
                _append(table, spec)
        return metadata


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two schemas, and the renames between them."""

    first: Schema
    second: Schema

    @property
    def renames(self) -> dict[str, str]:
        return {
            f"{table}.{each.was}": each.name
            for table, columns in self.second.tables.items()
            for each in columns
            if each.was is not None and each.was != each.name
        }


def _append(table: sa.Table, spec: ColumnSpec) -> None:
    options: dict[str, Any] = {"nullable": spec.nullable, "index": spec.index}
    parts: list[Any] = []
    if spec.computed is not None:
        # PostgreSQL has no index of one that is not stored.
        is_stored = spec.index or spec.unique or None
        parts.append(sa.Computed(f"n * {spec.computed}", persisted=is_stored))
    if spec.refers_to is not None:
        parts.append(sa.ForeignKey(f"{spec.refers_to}.id", ondelete=spec.ondelete))
    if spec.default:
        options["default"] = python_default(spec)
    if spec.server_default is not None:
        options["server_default"] = server_default(spec)
    if spec.check is not None:
        is_text = spec.kind == "text"
        text = (
            f"length({spec.name}) < 10{spec.check}" if is_text else f"{spec.name} > -{spec.check}"
        )
        parts.append(sa.CheckConstraint(text, name=f"{spec.name}_rule"))
    table.append_column(sa.Column(spec.name, _type(table, spec), *parts, **options))
    if spec.unique:
        table.append_constraint(sa.UniqueConstraint(table.c[spec.name]))


def _type(table: sa.Table, spec: ColumnSpec) -> sa.types.TypeEngine[Any]:
    labels = [f"l{number}" for number in range(spec.labels)]
    types: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
        "integer": lambda: sa.Integer(),
        "bigint": lambda: sa.BigInteger(),
        "text": lambda: sa.String(spec.length),
        "long": lambda: sa.Text(),
        "boolean": lambda: sa.Boolean(),
        "decimal": lambda: sa.Numeric(10, 2),
        "date": lambda: sa.Date(),
        "json": lambda: sa.JSON(),
        # A name that stays when the column is renamed.
        "enum": lambda: sa.Enum(*labels, name=f"{table.name}_{(spec.was or spec.name)}_type"),
        "words": lambda: sa.Enum(*labels, native_enum=False, length=20),
    }
    return types[spec.kind]()


def python_default(spec: ColumnSpec) -> Any:
    """Return the default that rows get when the column becomes NOT NULL."""
    if spec.refers_to is not None:
        return 1
    return {"integer": 9, "bigint": 9, "text": "it's", "boolean": True, "enum": "l0",
            "words": "l1"}[spec.kind]  # fmt: skip


def server_default(spec: ColumnSpec) -> str:
    number = spec.server_default
    texts = {
        "text": f"it's \\ :a {number}%",
        "enum": "l1",
        "words": "l0",
        "decimal": f"{number}.50",
    }
    return texts.get(spec.kind, str(number))


def value_of(spec: ColumnSpec, key: int) -> Any:
    """Return what row `key` has."""
    if key == ROWS[-1] and spec.nullable:
        return None
    values: dict[str, Any] = {
        "text": f"t{key}", "long": "x" * 300 + str(key), "boolean": key == 1,
        "decimal": decimal.Decimal(f"{key}.25"), "date": datetime.date(2026, 1, key),
        "json": {"a": key}, "enum": f"l{key % 2}", "words": f"l{key % 2}",
    }  # fmt: skip
    return values.get(spec.kind, key)


def in_kind(value: Any, old: str, new: str) -> Any:
    """Return what a value of a kind is as one of another."""
    if old == new or value is None or new not in OTHER_KINDS.get(old, ()):
        return value
    if old == "boolean" and new == "integer":
        return int(value)
    if new == "json":
        return value if old != "date" else value.isoformat()
    return str(value).lower()


@st.composite
def columns(draw: st.DrawFn, name: str, others: tuple[str, ...]) -> ColumnSpec:
    kind = draw(st.sampled_from(KINDS))
    is_number = kind in {"integer", "bigint"}
    is_short = is_number or kind == "text"
    refers_to = None
    if kind == "integer" and others and draw(st.booleans()):
        refers_to = draw(st.sampled_from(others))
    has_default = kind in {"integer", "bigint", "text", "decimal", "enum", "words"}
    spec = ColumnSpec(
        name=name, kind=kind, nullable=draw(st.booleans()), refers_to=refers_to,
        length=draw(st.sampled_from((20, 30))),
    )  # fmt: skip
    if refers_to is not None:
        nulls = ("SET NULL",) if spec.nullable else ()
        ondelete = draw(st.sampled_from((None, "CASCADE", *nulls)))
        return replace(spec, ondelete=ondelete, index=draw(st.booleans()))
    if kind == "integer" and draw(st.integers(0, 4)) == 0:
        return replace(
            spec, computed=2, nullable=True, index=draw(st.booleans()), unique=draw(st.booleans())
        )
    return replace(
        spec,
        server_default=draw(st.sampled_from((None, 4, 5))) if has_default else None,
        check=draw(st.sampled_from((None, 7, 8))) if is_number else None,
        index=draw(st.booleans()) if is_short else False,
        unique=draw(st.booleans()) if is_short else False,
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    tables: dict[str, tuple[ColumnSpec, ...]] = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        others = (*tables, name)
        count = draw(st.integers(1, 4))
        tables[name] = tuple(draw(columns(f"c{number}", others)) for number in range(count))
    return Schema(tables=tables)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Draw a schema, and change it in some places."""
    first = draw(schemas())
    tables: dict[str, tuple[ColumnSpec, ...]] = {}
    for name, specs in first.tables.items():
        if not _is_referred_to(first, name) and draw(st.integers(0, 5)) == 0:
            continue
        tables[name] = tuple(
            changed for spec in specs if (changed := draw(_changed(spec, tuple(first.tables))))
        )
    tables = {
        name: tuple(s for s in specs if s.refers_to is None or s.refers_to in tables)
        for name, specs in tables.items()
    }
    for name in tables:
        for number in range(draw(st.integers(0, 2))):
            new = draw(columns(f"n{number}", tuple(tables)))
            tables[name] += (_new(new),)
    if draw(st.booleans()):
        tables["z"] = (draw(columns("c0", (*tables, "z"))),)
    both = (first.tables, tables)
    long = {
        each
        for each in tables
        if all(_is_alone(each, schema) for schema in both) and draw(st.booleans())
    }
    return Pair(first=first, second=Schema(tables=tables, long=frozenset(long)))


def _is_alone(name: str, tables: dict[str, tuple[ColumnSpec, ...]]) -> bool:
    """Tell whether nothing leads to a table's key."""
    return not any(each.refers_to == name for specs in tables.values() for each in specs)


def _is_referred_to(schema: Schema, name: str) -> bool:
    return any(
        each.refers_to == name and table != name
        for table, specs in schema.tables.items()
        for each in specs
    )


def _new(spec: ColumnSpec) -> ColumnSpec:
    """Return a new column of a table with rows: NOT NULL with a default of some kind."""
    if spec.nullable or spec.server_default is not None:
        # One value for all rows.
        return replace(spec, unique=False)
    if not spec.refers_to and spec.kind not in DEFAULTS:
        return replace(spec, nullable=True)
    return replace(spec, unique=False, default=True)


def _can_be_dropped(spec: ColumnSpec) -> bool:
    """Tell whether a downgrade can give it values: none that are unique, or lead to rows."""
    if spec.nullable:
        return not (spec.unique and spec.server_default is not None)
    # What its values may be, the database does not know.
    is_opaque = spec.kind in {"words", "json"} and spec.server_default is None
    return not (spec.unique or spec.refers_to or is_opaque)


def _is_bare(spec: ColumnSpec) -> bool:
    """Tell whether no default or index has to be of the column's kind."""
    return not (spec.index or spec.unique) and spec.server_default is None


Change = Callable[[st.DrawFn, ColumnSpec, tuple[str, ...]], ColumnSpec | None]


def _changes_of(spec: ColumnSpec) -> dict[str, Change]:
    """Return what may become of a column."""
    is_number = spec.kind in {"integer", "bigint"}
    is_short = is_number or spec.kind == "text"
    is_own = spec.refers_to is None
    is_plain = is_own and spec.computed is None
    has_default = spec.kind in {"integer", "bigint", "text", "enum"}
    numbers = st.sampled_from((None, 4, 5))
    rules = st.sampled_from((None, 7, 8))
    choices: list[tuple[bool, str, Change]] = [
        (True, "same", lambda _d, s, _o: s),
        (_can_be_dropped(spec), "drop", lambda _d, _s, _o: None),
        (True, "rename", lambda _d, s, _o: replace(s, name=f"r{s.name}")),
        (True, "nullable", lambda _d, s, _o: replace(s, nullable=True)),
        (spec.kind == "text", "longer", lambda _d, s, _o: replace(s, length=40)),
        (is_own and spec.kind == "integer", "wider", lambda _d, s, _o: replace(s, kind="bigint")),
        (
            spec.computed is None and spec.ondelete != "SET NULL" and spec.kind in DEFAULTS,
            "required", lambda _d, s, _o: replace(s, nullable=False, default=True),
        ),
        (
            is_plain and has_default, "server",
            lambda d, s, _o: replace(s, server_default=d(numbers)),
        ),
        (
            spec.computed is not None, "computed",
            lambda d, s, _o: replace(s, computed=d(st.sampled_from((2, 3)))),
        ),
        (is_number and is_plain, "check", lambda d, s, _o: replace(s, check=d(rules))),
        (is_short, "index", lambda _d, s, _o: replace(s, index=not s.index)),
        (is_own and is_short, "unique", lambda _d, s, _o: replace(s, unique=not s.unique)),
        (
            spec.refers_to is not None, "ondelete",
            lambda _d, s, _o: replace(s, ondelete=None if s.ondelete else "CASCADE"),
        ),
        (spec.refers_to is not None, "no key", lambda _d, s, _o: replace(s, refers_to=None,
                                                                         ondelete=None)),
        (
            spec.kind == "integer" and is_plain, "key",
            lambda d, s, o: replace(s, refers_to=d(st.sampled_from(o))),
        ),
        (is_plain and _is_bare(spec) and spec.kind in OTHER_KINDS, "kind", _another_kind),
        (spec.kind in {"enum", "words"}, "labels", lambda _d, s, _o: replace(s, labels=3)),
    ]  # fmt: skip
    return {name: change for is_possible, name, change in choices if is_possible}


def _another_kind(draw: st.DrawFn, spec: ColumnSpec, _others: tuple[str, ...]) -> ColumnSpec:
    """Return a column of another kind, perhaps with another name, and with a rule for that."""
    kind = draw(st.sampled_from(OTHER_KINDS[spec.kind]))
    name = draw(st.sampled_from((spec.name, f"r{spec.name}")))
    return replace(spec, kind=kind, name=name, check=None if kind == "json" else spec.check)


@st.composite
def _changed(draw: st.DrawFn, spec: ColumnSpec, others: tuple[str, ...]) -> ColumnSpec | None:
    """Return a column after a change, None if it is dropped."""
    changes = _changes_of(spec)
    # Else few columns get another type, or are computed of something else.
    names: list[str] = [each for each in ("kind", "computed") if each in changes]
    is_rare = bool(names) and draw(st.booleans())
    name = draw(st.sampled_from(names if is_rare else sorted(changes)))
    return changes[name](draw, replace(spec, was=spec.name), others)
