"""Fills the tables of a throw-away database with rows that keep its rules.

Of each table some rows have NULL wherever it may stand, some the extremes of their types, and some
what others have too, except where a column is unique. Foreign keys lead to rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from random import Random
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ormolu.migrations.rehearsal._catalog import Catalog, read_catalog, run_as_is
from ormolu.migrations.rehearsal._values import Kind, distinct, ordinary

__all__ = ["fill_tables"]

# Rows that a table gets, and how often others are tried where rules refuse one.
_ROWS = 5
_TRIES = 40

_KINDS = """
SELECT json_agg(json_build_object(
    'table', attrelid::bigint, 'number', attnum,
    'base', b.typname, 'modifier', CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE atttypmod END,
    'element', e.typname,
    'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
        WHERE enumtypid = b.oid),
    'element_labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
        WHERE enumtypid = e.oid),
    'rule', (SELECT string_agg(pg_get_constraintdef(c.oid), ' ') FROM pg_constraint c
        WHERE contypid = t.oid)))::text
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
WHERE attrelid IN ({tables}) AND attnum > 0 AND NOT attisdropped
"""

_BOUNDS = """
SELECT json_agg(json_build_object('table', inhparent::bigint,
    'rule', pg_get_expr(relpartbound, c.oid)))::text
FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid WHERE relispartition
"""

_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])-?\d+(?:\.\d+)?")


@dataclass(kw_only=True)
class _Table:
    """A table, and what its rows have to keep.

    Attributes:
        columns: The type of each column that has to be given a value, by its number.
        unique: Columns that are part of something unique.
        references: The table and the columns that each foreign key leads to, by its own columns.
        made: The values of the rows that were made, as text, by the numbers of columns.
    """

    oid: int
    columns: dict[int, Kind]
    optional: set[int]
    defaults: set[int]
    unique: set[int]
    references: list[tuple[tuple[int, ...], int, tuple[int, ...]]]
    made: list[Mapping[int, str | None]] = field(default_factory=list)


def fill_tables(connection: Connection, only: set[int]) -> list[str]:
    """Insert rows, and return the names of the tables that took none.

    Args:
        connection: One in a transaction.
        only: The OIDs of the tables.
    """
    catalog = read_catalog(connection)
    tables = _tables(connection, catalog, only)
    empty = []
    for table in _ordered(tables):
        _fill(connection, catalog, tables, table)
        if not table.made:
            empty.append(catalog.name(table.oid))
    return empty


def _tables(connection: Connection, catalog: Catalog, only: set[int]) -> dict[int, _Table]:
    chosen = {
        oid for oid, each in catalog.relations.items()
        if oid in only and each.kind in {"r", "p"} and not each.is_partition
    }  # fmt: skip
    if not chosen:
        return {}
    hints = _hints(connection, catalog)
    described = run_as_is(connection, _KINDS.format(tables=", ".join(map(str, chosen))))
    kinds = {
        (each["table"], each["number"]): _kind(each, hints.get(each["table"], ()))
        for each in json.loads(described.scalar_one() or "[]")
    }
    return {oid: _table(catalog, oid, kinds) for oid in chosen}


def _table(catalog: Catalog, oid: int, kinds: Mapping[tuple[int, int], Kind]) -> _Table:
    columns = [
        each for each in catalog.columns_of(oid)
        if not (each.generated or each.identity or _is_numbered(each.default))
    ]  # fmt: skip
    constraints = [each for each in catalog.constraints.values() if each.table == oid]
    return _Table(
        oid=oid,
        columns={each.number: kinds[oid, each.number] for each in columns},
        optional={each.number for each in columns if not each.is_required},
        defaults={each.number for each in columns if each.default is not None},
        unique=set(_unique(catalog, oid)),
        references=[
            (tuple(each.columns or ()), each.other, _targets(catalog, each.other, each.definition))
            for each in constraints
            if each.kind == "f"
        ],
    )


def _is_numbered(default: str | None) -> bool:
    """Tell whether a sequence numbers a column, which a program's own rows go on with."""
    return default is not None and "nextval(" in default


def _unique(catalog: Catalog, oid: int) -> Iterator[int]:
    """Yield the columns that an index mentions which is unique, or that excludes others."""
    texts = [each.definition for each in catalog.indexes.values()
             if each.table == oid and each.is_unique]  # fmt: skip
    texts += [each.definition for each in catalog.constraints.values()
              if each.table == oid and each.kind == "x"]  # fmt: skip
    for column in catalog.columns_of(oid):
        word = re.compile(rf"(?<![\w\"]){re.escape(column.name)}(?![\w\"])")
        if any(word.search(each.partition(" USING ")[2] or each) for each in texts):
            yield column.number


def _targets(catalog: Catalog, other: int, definition: str) -> tuple[int, ...]:
    """Return the columns that a foreign key leads to, from its text."""
    listed = re.search(r"REFERENCES .*?\((.*?)\)", definition)
    names = [] if listed is None else [each.strip() for each in listed[1].split(",")]
    numbers = {each.name: each.number for each in catalog.columns_of(other)}
    return tuple(numbers[name] for name in names)


def _hints(connection: Connection, catalog: Catalog) -> dict[int, list[str]]:
    """Return the literals in the rules of each table, its partitions' bounds among them."""
    rules = [(each.table, each.definition) for each in catalog.constraints.values()
             if each.kind in {"c", "x"}]  # fmt: skip
    bounds = json.loads(run_as_is(connection, _BOUNDS).scalar_one() or "[]")
    rules += [(each["table"], each["rule"] or "") for each in bounds]
    found: dict[int, list[str]] = {}
    for table, rule in rules:
        found.setdefault(table, []).extend(_literals(rule))
    return found


def _literals(rule: str) -> Iterator[str]:
    """Yield the values that stand in a rule, and what is just beside the numbers."""
    for match in _LITERAL.finditer(rule):
        if match[1] is not None:
            yield match[1].replace("''", "'")
            yield match[1].replace("''", "'").replace("%", "a")
        else:
            yield match[0]
            if "." not in match[0]:
                yield str(int(match[0]) + 1)
                yield str(int(match[0]) - 1)


def _kind(found: Mapping[str, Any], hints: Sequence[str]) -> Kind:
    base, modifier = found["base"], found["modifier"]
    element = found["element"]
    return Kind(
        base=base,
        length=_length(base, modifier),
        digits=((modifier - 4) >> 16, (modifier - 4) & 0x7FF)
        if base == "numeric" and modifier >= 0
        else None,
        labels=tuple(found["labels"] or ()),
        element=None
        if element is None
        else Kind(base=element, labels=tuple(found["element_labels"] or ())),
        hints=(*hints, *_literals(found["rule"] or "")),
    )


def _length(base: str, modifier: int) -> int | None:
    if modifier < 0:
        return 1 if base == "bit" else None
    if base in {"varchar", "bpchar"}:
        return modifier - 4
    return modifier if base in {"bit", "varbit", "vector", "halfvec"} else None


def _ordered(tables: Mapping[int, _Table]) -> Iterable[_Table]:
    """Return the tables, first those that others refer to, as far as there is such an order."""
    graph = {
        oid: {
            other for _own, other, _theirs in table.references if other in tables and other != oid
        }
        for oid, table in tables.items()
    }
    while True:
        try:
            return [tables[oid] for oid in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            circle = error.args[1]
            edges = list(zip(circle[1:], circle, strict=False))
            table, other = next((each for each in edges if _may_wait(tables, *each)), edges[0])
            graph[table].discard(other)


def _may_wait(tables: Mapping[int, _Table], table: int, other: int) -> bool:
    """Tell whether rows of a table may have NULL where they refer to the other."""
    found = tables[table]
    return all(
        found.optional & set(own)
        for own, leads_to, _theirs in found.references
        if leads_to == other
    )


def _fill(
    connection: Connection, catalog: Catalog, tables: Mapping[int, _Table], table: _Table
) -> None:
    source = Random(catalog.name(table.oid))
    for number in range(_ROWS):
        row = _planned(table, number)
        for _ in range(_TRIES):
            _refer(tables, table, row, number)
            if _insert(connection, catalog, table, row):
                table.made.append(row)
                break
            row = _varied(table, number, source)


def _planned(table: _Table, number: int) -> dict[int, str | None]:
    """Return a row: ordinary, with the extremes, with NULLs, ordinary again."""
    row: dict[int, str | None] = {}
    for column, kind in table.columns.items():
        if number in {0, 4} and column in table.defaults:
            continue
        if number == 3 and column in table.optional:
            row[column] = None
        elif column in table.unique:
            row[column] = distinct(kind, number)
        else:
            values = ordinary(kind)
            row[column] = values[number if number < min(3, len(values)) else 0]
    return row


def _varied(table: _Table, number: int, source: Random) -> dict[int, str | None]:
    """Return the planned row with other values in about half of its columns."""
    row = _planned(table, number)
    for column, kind in table.columns.items():
        if source.random() < 0.5:
            values = (*ordinary(kind), distinct(kind, number), *kind.hints)
            row[column] = source.choice(values)
    return row


def _refer(
    tables: Mapping[int, _Table], table: _Table, row: dict[int, str | None], number: int
) -> None:
    """Let the foreign keys of a row lead to rows that are there, or nowhere."""
    for own, other, theirs in table.references:
        there = tables[other].made if other in tables else []
        for mine, their in zip(own, theirs, strict=True):
            if mine not in table.columns:
                continue
            if not there or (number == 3 and mine in table.optional):
                row[mine] = None
            else:
                place = number if mine in table.unique else 0
                row[mine] = there[place % len(there)].get(their)


def _insert(
    connection: Connection, catalog: Catalog, table: _Table, row: dict[int, str | None]
) -> bool:
    """Insert a row, unless a rule refuses it; the values that it then has are added to it."""
    columns = [(catalog.columns[table.oid, number], value) for number, value in row.items()]
    names = ", ".join(column.name for column, _value in columns)
    places = ", ".join(
        f"CAST(CAST(:v{column.number} AS TEXT) AS {column.type.replace(':', chr(92) + ':')})"
        for column, _value in columns
    )
    values = f"({names}) VALUES ({places})" if columns else "DEFAULT VALUES"
    keys = list(catalog.columns_of(table.oid))
    stored = ", ".join(f"CAST({each.name} AS TEXT)" for each in keys)
    statement = text(f"INSERT INTO {catalog.name(table.oid)} {values} RETURNING {stored}")
    savepoint = connection.begin_nested()
    try:
        done = connection.execute(
            statement, {f"v{column.number}": value for column, value in columns}
        ).one()
    except DBAPIError:
        savepoint.rollback()
        return False
    savepoint.commit()
    row.update({each.number: value for each, value in zip(keys, done, strict=True)})
    return True
