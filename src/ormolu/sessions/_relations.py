"""Lists of objects that refer to their owner, as `selectinload` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import (
    InstanceState,
    Load,
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    Session,
    attributes,
)
from sqlalchemy.sql.base import ExecutableOption

from ormolu.seams import has_criteria, owner_path, selectin_column
from ormolu.sessions._kept import kept_with
from ormolu.sessions._shapes import shape_of

__all__ = ["Relation", "relation_of"]

_SELECTIN = (("lazy", "selectin"),)

# As many owners at once as SQLAlchemy asks for.
_CHUNK = 500

# The parameter of the statement.
_KEYS = "keys"


class Relation:
    """A list whose objects hold the key of their owner in one column.

    Attributes:
        mapper: Of the objects in the list.
    """

    def __init__(self, property_: RelationshipProperty[Any], column: Any, path: Any) -> None:
        """Take what refers to the owner, and the path at which that is loaded."""
        self.mapper: Mapper[Any] = property_.mapper
        self._name = property_.key
        self._column = self.mapper.get_property_by_column(column).key
        self._statement = (
            select(self.mapper.class_)
            .where(column.in_(bindparam(_KEYS, expanding=True)))
            .order_by(*(property_.order_by or ()))
        )
        # As SQLAlchemy's loading sets it.
        self._owner_path = path
        self._path = self._owner_path[property_][self.mapper]

    def load(
        self, session: Session, owners: Sequence[Any], options: Sequence[ExecutableOption]
    ) -> None:
        """Read the lists of some owners.

        Args:
            session: Of the owners; it must have no object of the lists' class.
            owners: They may be the same, or None.
            options: With which they are loaded, and will be if they are refreshed.
        """
        shape = shape_of(self.mapper)
        assert shape is not None
        states: dict[Any, InstanceState[Any]] = {}
        for owner in owners:
            if owner is not None:
                state: Any = attributes.instance_state(owner)
                states[state.key[1][0]] = state
        _note(states.values(), options, self._owner_path)
        keys = list(states)
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            lists: dict[Any, list[Any]] = {key: [] for key in chunk}
            rows = session.connection().execute(self._statement, {_KEYS: chunk}).all()
            found = shape.load(session, rows)
            _note(map(attributes.instance_state, found), options, self._path)
            for each in found:
                # One found for a key in other letters is nobody's, as to SQLAlchemy.
                lists.get(each.__dict__[self._column], []).append(each)
            for key, list_ in lists.items():
                attributes.set_committed_value(states[key].obj(), self._name, list_)


def relation_of(owner: Mapper[Any], option: ExecutableOption) -> Relation | None:
    """Return the list that an option asks for, if it is a plain one and all that is asked for."""
    if type(option) is not Load or len(option.context) != 1:
        return None
    element: Any = option.context[0]
    if element.strategy != _SELECTIN or len(element.path.path) != 3:
        return None
    asked, property_, target = element.path.path
    is_plain = (
        asked is owner
        and target is property_.mapper
        and not has_criteria(element)
        and not any(element.local_opts.values())
    )
    if not is_plain:
        return None
    return kept_with(owner, _make_relation, property_)


def _make_relation(property_: RelationshipProperty[Any]) -> Relation | None:
    is_list = property_.direction is RelationshipDirection.ONETOMANY and property_.uselist
    if not is_list or property_.collection_class not in {None, list}:
        return None
    column, path = selectin_column(property_, _SELECTIN), owner_path(property_.parent)
    is_mapped = any(each is column for each in property_.mapper.columns)
    return Relation(property_, column, path) if is_mapped and path is not None else None


def _note(states: Iterable[InstanceState[Any]], options: Sequence[Any], path: Any) -> None:
    """Note how objects were loaded, so that they are refreshed alike."""
    for state in states:
        state.load_options = tuple(options)
        state.load_path = path
