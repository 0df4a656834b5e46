"""What a PostgreSQL has at one moment: tables, columns, constraints, indexes, locks, counters.

Read by one statement, so that it can be read before and after each statement of a revision, within
its transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult

__all__ = [
    "Catalog",
    "Column",
    "Constraint",
    "Index",
    "Relation",
    "read_catalog",
    "run_as_is",
]

_READ = """
WITH spaces AS (
    SELECT oid, nspname FROM pg_namespace
    WHERE left(nspname, 3) <> 'pg_' AND nspname <> 'information_schema'
), relations AS (
    SELECT c.*, CASE nspname WHEN 'public' THEN '' ELSE quote_ident(nspname) || '.' END
        || quote_ident(relname) AS shown
    FROM pg_class c JOIN spaces s ON s.oid = relnamespace
    WHERE relname <> 'alembic_version' AND relname <> 'alembic_version_pkc'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
            AND d.classid = 'pg_class'::regclass)
)
SELECT json_build_object(
    'relations', (SELECT json_agg(json_build_object(
        'oid', oid::bigint, 'name', shown, 'kind', relkind, 'file', relfilenode::bigint,
        'persistence', relpersistence, 'is_partition', relispartition,
        'parent', (SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = r.oid LIMIT 1)))
        FROM relations r WHERE relkind IN ('r', 'p', 'm', 'i', 'I', 'v')),
    'columns', (SELECT json_agg(json_build_object(
        'table', attrelid::bigint, 'number', attnum, 'name', quote_ident(attname),
        'type', format_type(atttypid, atttypmod), 'is_required', attnotnull,
        'default', pg_get_expr(adbin, adrelid), 'generated', attgenerated,
        'identity', attidentity))
        FROM pg_attribute a JOIN relations r ON r.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped),
    'constraints', (SELECT json_agg(json_build_object(
        'oid', c.oid::bigint, 'table', conrelid::bigint, 'name', quote_ident(conname),
        'domain', CASE WHEN contypid = 0 THEN NULL ELSE format_type(contypid, NULL) END,
        'kind', contype, 'definition', pg_get_constraintdef(c.oid), 'is_valid', convalidated,
        'other', confrelid::bigint, 'index', conindid::bigint, 'parent', conparentid::bigint,
        'columns', conkey))
        FROM pg_constraint c JOIN spaces s ON s.oid = connamespace),
    'indexes', (SELECT json_agg(json_build_object(
        'oid', indexrelid::bigint, 'table', indrelid::bigint, 'name', shown,
        'definition', pg_get_indexdef(indexrelid), 'is_valid', indisvalid,
        'is_unique', indisunique))
        FROM pg_index i JOIN relations r ON r.oid = indexrelid),
    'labels', (SELECT json_agg(json_build_object(
        'oid', e.oid::bigint, 'type', format_type(enumtypid, NULL), 'label', enumlabel))
        FROM pg_enum e),
    'locks', (SELECT json_agg(json_build_object('oid', relation::bigint, 'mode', mode))
        FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    'counters', (SELECT json_agg(json_build_object(
        'oid', relid::bigint, 'scans', coalesce(seq_scan, 0), 'written', n_tup_upd + n_tup_del))
        FROM pg_stat_xact_user_tables)
)::text
"""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table, a partitioned table (p), a materialized view (m), a view (v), an index (i, I)."""

    oid: int
    name: str
    kind: str
    file: int
    persistence: str
    is_partition: bool
    parent: int | None

    @property
    def has_rows(self) -> bool:
        """Tell whether it stores rows, itself or by its partitions."""
        return self.kind in {"r", "p", "m"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table, by its number, which stays when it is renamed."""

    table: int
    number: int
    name: str
    type: str
    is_required: bool
    default: str | None
    generated: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A constraint of a table, or of a domain."""

    oid: int
    table: int
    name: str
    domain: str | None
    kind: str
    definition: str
    is_valid: bool
    other: int
    index: int
    parent: int
    columns: list[int] | None


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index, with the statement that makes it."""

    oid: int
    table: int
    name: str
    definition: str
    is_valid: bool
    is_unique: bool


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All of them at one moment.

    Attributes:
        relations: By their OID, which stays when they are renamed.
        columns: By the OID of their table and their number.
        constraints: By their OID.
        indexes: By their OID.
        labels: The type and the value of each member of an enumeration, by its OID.
        locks: The modes that the session holds, by relation.
        scans: How often this transaction has read a table from its beginning.
        written: How many rows of a table it has changed or deleted.
    """

    relations: Mapping[int, Relation]
    columns: Mapping[tuple[int, int], Column]
    constraints: Mapping[int, Constraint]
    indexes: Mapping[int, Index]
    labels: Mapping[int, tuple[str, str]]
    locks: Mapping[int, frozenset[str]]
    scans: Mapping[int, int]
    written: Mapping[int, int]

    def name(self, oid: int) -> str:
        """Return the name of a relation as SQL has it."""
        return self.relations[oid].name

    def columns_of(self, table: int) -> Iterator[Column]:
        """Yield the columns of a table in their order."""
        return (each for (owner, _number), each in self.columns.items() if owner == table)


def read_catalog(connection: Connection) -> Catalog:
    """Read what there is, as the transaction of this connection sees it."""
    found: dict[str, Any] = json.loads(run_as_is(connection, _READ).scalar_one())
    relations = [Relation(**each) for each in found["relations"] or ()]
    columns = [Column(**each) for each in found["columns"] or ()]
    locks: dict[int, set[str]] = {}
    for each in found["locks"] or ():
        locks.setdefault(each["oid"], set()).add(each["mode"])
    counters = found["counters"] or ()
    return Catalog(
        relations={each.oid: each for each in relations},
        columns={(each.table, each.number): each for each in columns},
        constraints=_by_oid(Constraint(**each) for each in found["constraints"] or ()),
        indexes=_by_oid(Index(**each) for each in found["indexes"] or ()),
        labels={each["oid"]: (each["type"], each["label"]) for each in found["labels"] or ()},
        locks={oid: frozenset(modes) for oid, modes in locks.items()},
        scans={each["oid"]: each["scans"] for each in counters},
        written={each["oid"]: each["written"] for each in counters},
    )


def run_as_is(connection: Connection, sql: str) -> CursorResult[Any]:
    """Run a statement without parameters, whatever is in it."""
    if connection.dialect.paramstyle in {"format", "pyformat"}:
        sql = sql.replace("%", "%%")
    return connection.exec_driver_sql(sql)


def _by_oid(found: Iterator[Any]) -> dict[int, Any]:
    return {each.oid: each for each in found}
