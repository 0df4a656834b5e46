"""Objects from the rows of plain classes: mapped to one table, column by column.

Knows SQLAlchemy's mappers and the state of its objects; no statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Result, Table, select
from sqlalchemy.orm import (
    ClassManager,
    ColumnProperty,
    InstanceState,
    Mapper,
    RelationshipProperty,
    Session,
    SynonymProperty,
)

from ormolu.seams import adder_of, result_maker
from ormolu.sessions._mapper_cache import cached_on_mapper

__all__ = ["Shape", "shape_of"]

# Loading strategies of relations that do nothing when their object is loaded.
_LAZY = frozenset({"dynamic", "raise", "raise_on_sql", "select", "write_only"})


class Shape:
    """How the rows of a plain class become its objects."""

    def __init__(
        self,
        mapper: Mapper[Any],
        names: Sequence[str],
        result: Callable[[Sequence[Any]], Result[Any]],
    ) -> None:
        """Take the names of its attributes, in the order of a row, and what makes results."""
        self._class: Any = mapper.class_
        self._manager = mapper.class_manager
        self._names = names
        keys = [names.index(mapper.get_property_by_column(key).key) for key in mapper.primary_key]
        self._key_of = _key_getter(keys)
        self._is_partial_allowed = mapper.allow_partial_pks
        # Makes objects the result of a statement.
        self.result = result

    @property
    def has_listeners(self) -> bool:
        """Tell whether the program listens to its objects being loaded."""
        return bool(self._manager.dispatch.load)

    def _is_missing(self, key: Sequence[Any]) -> bool:
        missing = [part is None for part in key]
        return all(missing) if self._is_partial_allowed else any(missing)

    def load(
        self,
        session: Session,
        rows: Sequence[Sequence[Any]],
        options: Sequence[Any] = (),
        path: Any = None,
    ) -> list[Any]:
        """Return an object for each row, None where its key is missing, as in an outer join.

        What SQLAlchemy's loading makes, too, without what it asks itself for each row.

        Args:
            session: Where they will belong; it must have none of this class.
            rows: In the order of the names.
            options: With which they are loaded, so that they are refreshed alike.
            path: At which SQLAlchemy loads them with these options; None without any.
        """
        # Keep the loop short: a list has hundreds of rows, and each look-up is felt.
        objects, found = [], dict[Any, Any]()
        class_, manager, names, key_of = self._class, self._manager, self._names, self._key_of
        make, session_id = class_.__new__, session.hash_key
        add, state_name = adder_of(session), manager.STATE_ATTR
        asked = tuple(options)
        for row in rows:
            key: Any = key_of(row)
            loaded = found.get(key)
            if loaded is None and not (None in key and self._is_missing(key)):
                found[key] = loaded = make(class_)
                state = InstanceState(loaded, manager)
                values = loaded.__dict__
                values[state_name] = state
                values.update(zip(names, row))  # noqa: B905 -- twice as fast
                state.key = identity = (class_, key, None)
                state.session_id = session_id
                if path is not None:
                    state.load_options, state.load_path = asked, path
                add(state, identity)
            objects.append(loaded)
        return objects


def shape_of(mapper: Mapper[Any]) -> Shape | None:
    """Return the shape of a class; None if SQLAlchemy has to see to its loading.

    Nor may it be used while the program listens to its objects.
    """
    return cached_on_mapper(mapper, _make_shape, mapper)


def _make_shape(mapper: Mapper[Any]) -> Shape | None:
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    if not is_alone or mapper.always_refresh or not isinstance(mapper.local_table, Table):
        return None
    if len(list(mapper.self_and_descendants)) > 1 or mapper.with_polymorphic_mappers:
        return None
    if type(mapper.class_manager) is not ClassManager:
        # The program instruments the class itself.
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
    result = result_maker(mapper)
    if result is None:
        return None
    columns = select(mapper.class_).selected_columns
    return Shape(mapper, [mapper.get_property_by_column(column).key for column in columns], result)


def _key_getter(places: Sequence[int]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what makes a tuple of some places of a row."""
    if len(places) > 1:
        return itemgetter(*places)
    # itemgetter of one index returns no tuple; of a slice it does.
    return itemgetter(slice(places[0], places[0] + 1))


def _is_plain_column(attribute: ColumnProperty[Any], mapper: Mapper[Any]) -> bool:
    column = attribute.columns[0]
    is_own = isinstance(column, Column) and column.table is mapper.local_table
    return is_own and not attribute.deferred
