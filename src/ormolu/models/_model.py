"""`Model`: the declarative base with the defaults that every project ends up with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Column,
    Index,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Mapper, QueryableAttribute, registry

from ormolu.models._datetimes import UTCDateTime
from ormolu.models._json import track_json
from ormolu.models._lazy import forbid_lazy_loading
from ormolu.models._versions import add_version
from ormolu.names import note_field, note_model

__all__ = ["Model"]

# Alembic can only alter or drop a constraint that has a name, the same on every backend.
_NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Model(DeclarativeBase):
    """Base class of mapped classes; an ordinary SQLAlchemy `DeclarativeBase`.

    Its defaults, each of which a class can set otherwise:

    - constraints and indexes have names, the same on every backend;
    - `Mapped[datetime]` is an instant, aware and in UTC (`UTCDateTime`);
    - `Mapped[dict[str, Any]]` and `Mapped[list[Any]]` are JSON, and a change in place is stored;
    - values that the database makes, on INSERT and on UPDATE, are read back at once;
    - a relation that no loader option loaded is a `LazyLoadError`; `lazy=True` allows to await it
      through SQLAlchemy's `AsyncAttrs`;
    - foreign keys have an index; `mapped_column(..., index=False)` leaves it out.

    `class Account(Model, versioned=True)` has a column `version`, which SQLAlchemy counts up. Of
    two requests that have read a row and write it, the second gets a 409 and undoes nothing.
    """

    __abstract__ = True
    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMING_CONVENTION)
    type_annotation_map: dict[Any, Any] = {  # noqa: RUF012 -- SQLAlchemy declares it so
        datetime: UTCDateTime,
        # MySQL and MariaDB want a length, and can index 255 characters.
        str: String().with_variant(String(255), "mysql", "mariadb"),
        # Theirs has no digits behind the point if none are asked for, and rounds without a word.
        Decimal: Numeric().with_variant(Numeric(65, 30), "mysql", "mariadb"),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }
    __mapper_args__: Any = {"eager_defaults": True}  # noqa: RUF012 -- as above

    def __init_subclass__(cls, *, versioned: bool = False, **options: Any) -> None:
        """Map the class, then index its foreign keys and make its relations explicit.

        Raises:
            ConfigurationError: It has a version, and arguments of its mapper that cannot have one.
        """
        if versioned:
            add_version(cls)
        is_base = cls.__dict__.get("__abstract__", False)
        if is_base and "metadata" in cls.__dict__ and "registry" not in cls.__dict__:
            # Another database may have classes of the same names; each finds its own.
            own = registry(metadata=cls.metadata, type_annotation_map=cls.type_annotation_map)
            cls.registry = cls._sa_registry = own
        super().__init_subclass__(**options)
        for attribute in cls.__dict__.values():
            if isinstance(attribute, QueryableAttribute):
                forbid_lazy_loading(getattr(attribute.comparator, "prop", None))
        table = cls.__dict__.get("__table__")
        if isinstance(table, Table):
            _index_foreign_keys(table)


def _index_foreign_keys(table: Table) -> None:
    """Add the index that a DELETE or a join on the other side needs, unless one leads with it."""
    for constraint in table.foreign_key_constraints:
        columns = list(constraint.columns)
        is_wanted = all(column.index is not False for column in columns)
        if is_wanted and not any(
            leading[: len(columns)] == columns for leading in _indexed_columns(table)
        ):
            Index(None, *columns)


def _indexed_columns(table: Table) -> Iterator[list[Any]]:
    for index in table.indexes:
        yield list(index.expressions)
    for constraint in table.constraints:
        if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            yield list(constraint.columns)


@event.listens_for(Mapper, "mapper_configured")
def _prepare_columns(mapper: Mapper[Any], model: type[Any]) -> None:
    """Note the mapped names at table and columns, for errors; track the JSON columns of a Model."""
    if isinstance(mapper.local_table, Table) and not mapper.single:
        note_model(mapper.local_table, model.__name__)
    for attribute in mapper.column_attrs:
        for column in attribute.columns:
            if isinstance(column, Column):
                note_field(column, attribute.key)
    if issubclass(model, Model):
        for attribute in mapper.column_attrs:
            is_own = attribute.parent is mapper
            if is_own and any(isinstance(column.type, JSON) for column in attribute.columns):
                track_json(model, attribute.key)
