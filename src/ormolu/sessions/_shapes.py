"""Objects from the rows of plain classes: mapped to one table, column by column.

Knows SQLAlchemy's mappers and the state of its objects; no statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Table, select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData, tuplegetter
from sqlalchemy.orm import (
    ClassManager,
    ColumnProperty,
    InstanceState,
    Mapper,
    RelationshipProperty,
    Session,
    SynonymProperty,
)

from ormolu.sessions._kept import kept_with

__all__ = ["Shape", "shape_of"]

# What relations do when their object is loaded, of which these do nothing.
_LAZY = frozenset({"dynamic", "raise", "raise_on_sql", "select", "write_only"})


class Shape:
    """How the rows of a plain class become its objects."""

    def __init__(self, mapper: Mapper[Any], names: Sequence[str]) -> None:
        """Take the names of its attributes, in the order of a row."""
        self._class: Any = mapper.class_
        self._manager = mapper.class_manager
        self._names = names
        keys = [names.index(mapper.get_property_by_column(key).key) for key in mapper.primary_key]
        self._key_of = tuplegetter(*keys)
        self._is_partial_allowed = mapper.allow_partial_pks
        self._description = SimpleResultMetaData(
            [mapper.class_.__name__],
            [(mapper.class_, mapper)],
            _create_unique_filters=lambda _result: [id],
        )

    @property
    def is_heard(self) -> bool:
        """Tell whether the program listens to its objects being loaded."""
        return bool(self._manager.dispatch.load)

    def _is_missing(self, key: Sequence[Any]) -> bool:
        missing = [part is None for part in key]
        return all(missing) if self._is_partial_allowed else any(missing)

    def load(self, session: Session, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return an object for each row, None where its key is missing, as in an outer join.

        What SQLAlchemy's loading makes, too, without what it asks itself for each row.

        Args:
            session: Where they will belong; it must have none of this class.
            rows: In the order of the names.
        """
        # Each look-up and each call more is felt: a list has hundreds of rows.
        objects, found = [], dict[Any, Any]()
        class_, manager, names, key_of = self._class, self._manager, self._names, self._key_of
        make, session_id = class_.__new__, session.hash_key
        add = session.identity_map._add_unpresent  # noqa: SLF001 -- `add` looks for it first
        for row in rows:
            key: Any = key_of(row)
            loaded = found.get(key)
            if loaded is None and not (None in key and self._is_missing(key)):
                found[key] = loaded = make(class_)
                loaded._sa_instance_state = state = InstanceState(loaded, manager)  # noqa: SLF001
                loaded.__dict__.update(zip(names, row))  # noqa: B905 -- twice as fast
                state.key = identity = (class_, key, None)
                state.session_id = session_id
                add(state, identity)
            objects.append(loaded)
        return objects

    def result(self, objects: Sequence[Any]) -> IteratorResult[Any]:
        """Return objects as the result of a statement."""
        return IteratorResult(self._description, iter(objects), _source_supports_scalars=True)


def shape_of(mapper: Mapper[Any]) -> Shape | None:
    """Return the shape of a class; None if SQLAlchemy has to see to its loading."""
    shape = kept_with(mapper, _make_shape, mapper)
    return None if shape is None or shape.is_heard else shape


def _make_shape(mapper: Mapper[Any]) -> Shape | None:
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    if not is_alone or mapper.always_refresh or not isinstance(mapper.local_table, Table):
        return None
    if len(list(mapper.self_and_descendants)) > 1 or mapper.with_polymorphic_mappers:
        return None
    if type(mapper.class_manager) is not ClassManager:
        # How its objects keep their state is the program's.
        return None
    for attribute in mapper.attrs:
        if isinstance(attribute, RelationshipProperty):
            is_plain = attribute.lazy in _LAZY
        elif isinstance(attribute, ColumnProperty):
            is_plain = _is_plain_column(attribute, mapper)
        else:
            is_plain = isinstance(attribute, SynonymProperty)
        if not is_plain:
            return None
    columns = select(mapper.class_).selected_columns
    return Shape(mapper, [mapper.get_property_by_column(column).key for column in columns])


def _is_plain_column(attribute: ColumnProperty[Any], mapper: Mapper[Any]) -> bool:
    column = attribute.columns[0]
    is_own = isinstance(column, Column) and column.table is mapper.local_table
    return is_own and not attribute.deferred
