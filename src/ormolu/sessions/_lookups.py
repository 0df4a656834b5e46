"""Statements of `session.get`, made once for each class: making one costs more than SQLite does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Dialect, Select, bindparam, inspect, select
from sqlalchemy.orm import Mapper, Session

from ormolu.sessions._kept import kept_with

__all__ = ["KEY", "Lookup", "lookup_of"]

# The parameter of the statement.
KEY = "key"

# Of keys that are what they seem; a composite, say, is more than one.
_PLAIN = frozenset({int, str, UUID})


class Lookup:
    """How an object is read by its key.

    Attributes:
        statement: With the parameter `KEY`.
    """

    def __init__(self, mapper: Mapper[Any]) -> None:
        # The column, as SQLAlchemy does: its attribute may be compared in other ways.
        column = mapper.primary_key[0]
        self.statement = select(mapper.class_).where(column == bindparam(KEY, type_=column.type))
        self._key_type = column.type

    def read(self, connection: Connection, key: object, made: dict[Any, Any]) -> Sequence[Any]:
        """Return the rows of a key, past what SQLAlchemy's connection does for any statement.

        Only where nobody listens to it. What fails is done again in SQLAlchemy's way: a read may
        be, and its error is SQLAlchemy's to tell.

        Args:
            connection: Of SQLAlchemy, with nothing but its engine's options.
            key: Of the object.
            made: What is made once for the engine.
        """
        direct = made.get(self)
        if direct is None:
            direct = made[self] = _Direct(self.statement, self._key_type, connection.dialect)
        try:
            rows: Sequence[Any] = direct.read(connection.connection.dbapi_connection, key)
        except Exception:
            rows = connection.execute(self.statement, {KEY: key}).all()
        except BaseException as error:
            # As SQLAlchemy does if it is cancelled.
            connection.invalidate(error)
            raise
        return rows


class _Direct:
    """A lookup's text for one dialect, and how its values are written and read."""

    def __init__(self, statement: Select[Any], key_type: Any, dialect: Dialect) -> None:
        self._text = str(statement.compile(dialect=dialect))
        self._write = key_type.dialect_impl(dialect).bind_processor(dialect)
        types: list[Any] = [column.type for column in statement.selected_columns]
        readers = [type_.dialect_impl(dialect).result_processor(dialect, None) for type_ in types]
        self._readers = readers if any(readers) else None

    def read(self, dbapi_connection: Any, key: object) -> Sequence[Any]:
        """Return the rows of a key."""
        cursor = dbapi_connection.cursor()
        cursor.execute(self._text, (key if self._write is None else self._write(key),))
        rows: Sequence[Any] = cursor.fetchall()
        if self._readers is None:
            return rows
        return [
            tuple(
                value if reader is None else reader(value)
                for reader, value in zip(self._readers, row, strict=True)
            )
            for row in rows
        ]


def lookup_of(session: Session, entity: Any, key: object) -> Lookup | None:
    """Return how an object is read by its key.

    Returns:
        None if SQLAlchemy has to see to it: the object is there already, its key has several
        columns, or its class has subclasses.
    """
    mapper = inspect(entity, raiseerr=False)
    if type(key) not in _PLAIN or not isinstance(mapper, Mapper):
        return None
    lookup = kept_with(mapper, _make_lookup, mapper)
    if lookup is None or mapper.identity_key_from_primary_key((key,)) in session.identity_map:
        return None
    return lookup


def _make_lookup(mapper: Mapper[Any]) -> Lookup | None:
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    is_plain = is_alone and len(mapper.primary_key) == 1 and not mapper.always_refresh
    return Lookup(mapper) if is_plain else None
