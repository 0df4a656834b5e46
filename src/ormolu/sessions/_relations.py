"""Objects related to others: of one more statement for all, or joined to the rows of their owners.

Knows what SQLAlchemy's loading does with them; not whose statement asked for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select
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

from ormolu.seams import cache_key_of, count_attributes, has_criteria, owner_path, selectin_columns
from ormolu.sessions._borrowing import BorrowingSession
from ormolu.sessions._compiled import CompiledQuery, UncompilableError, compile_query
from ormolu.sessions._mapper_cache import cached_on_mapper
from ormolu.sessions._shapes import Shape, shape_of

__all__ = ["FetchedRelation", "JoinedRelation", "relation_of"]

_SELECTIN = (("lazy", "selectin"),)
_JOINED = (("lazy", "joined"),)

# Keys of one statement; SQLAlchemy's own number.
_CHUNK = 500

# The parameter of the statement.
_KEYS = "keys"

States = Sequence[InstanceState[Any]]


class Relation:
    """A relation whose objects are loaded together with their owners.

    Attributes:
        mapper: Of the objects.
        name: Of the relation, with its owners.
        owner_path: The path at which SQLAlchemy loads their owners.
    """

    def __init__(self, property_: RelationshipProperty[Any], path: Any) -> None:
        """Take the path of the owners."""
        self.mapper: Mapper[Any] = property_.mapper
        self.name: str = property_.key
        self.owner_path = path
        self._path = path[property_][self.mapper]

    @property
    def shape(self) -> Shape | None:
        """Return the shape of the objects; None if SQLAlchemy has to see to their loading."""
        return shape_of(self.mapper)

    def _load(
        self, session: Session, rows: Sequence[Any], options: Sequence[ExecutableOption]
    ) -> list[Any]:
        """Return an object for each row, None where there is none."""
        shape = self.shape
        assert shape is not None
        return shape.load(session, rows, options, self._path)


class JoinedRelation(Relation):
    """A relation to one whose object stands in its owner's row, as `joinedload` asks for it."""

    def take(
        self,
        session: Session,
        owners: Sequence[Any],
        rows: Sequence[Any],
        options: Sequence[ExecutableOption],
    ) -> None:
        """Set the object of each owner, or None.

        Args:
            session: Of the owners; it must have no object of the relation's class.
            owners: One for each row, or None.
            rows: What is of the relation in them.
            options: With which they are loaded, and will be if they are refreshed.
        """
        for owner, each in zip(owners, self._load(session, rows, options), strict=True):
            if owner is not None:
                # What `set_committed_value` does with an object that was loaded just now.
                owner.__dict__[self.name] = each


class FetchedRelation(Relation, ABC):
    """A relation whose objects are found by the values of one column, as `selectinload` does."""

    def __init__(
        self, property_: RelationshipProperty[Any], path: Any, column: ColumnElement[Any]
    ) -> None:
        """Take the column, of the related objects, and the path of the owners."""
        super().__init__(property_, path)
        self._column = column
        self._order = property_.order_by or ()
        self._statement = self._where(column.in_(bindparam(_KEYS, expanding=True)))

    def _where(self, condition: ColumnElement[bool]) -> Select[Any]:
        return select(self.mapper.class_).where(condition).order_by(*self._order)

    @abstractmethod
    def load(
        self, session: BorrowingSession, owners: States, options: Sequence[ExecutableOption]
    ) -> None:
        """Read what is related to some owners.

        Args:
            session: Of the owners; it must have no object of the relation's class.
            owners: Each once.
            options: With which they are loaded, and will be if they are refreshed.
        """

    def _find(
        self, session: BorrowingSession, keys: Sequence[Any], options: Sequence[ExecutableOption]
    ) -> list[Any]:
        return self._load(session, self._fetch(session, keys), options)

    def _fetch(self, session: BorrowingSession, keys: Sequence[Any]) -> Sequence[Any]:
        query = None if session.borrowed is None else self._query(session, _size_for(len(keys)))
        if query is None:
            return session.connection().execute(self._statement, {_KEYS: keys}).all()
        return query.fetch(session, keys)

    def _query(self, session: BorrowingSession, size: int) -> _KeysQuery | None:
        subject = (self, size, count_attributes(self.mapper))
        if subject not in session.kept:
            session.kept[subject] = self._compile(session, size)
        query: _KeysQuery | None = session.kept[subject]
        return query

    def _compile(self, session: BorrowingSession, size: int) -> _KeysQuery | None:
        parameters = [bindparam(f"{_KEYS}_{n}", type_=self._column.type) for n in range(size)]
        statement = self._where(self._column.in_(parameters))
        key = cache_key_of(statement)
        try:
            query = compile_query(statement, key, session.dialect, [self.mapper])
        except UncompilableError:
            return None
        return _KeysQuery(statement, query, key[1])


class _KeysQuery:
    """The statement for so many keys."""

    def __init__(self, statement: Select[Any], query: CompiledQuery, parameters: Any) -> None:
        self._statement = statement
        self._query = query
        self._parameters = parameters

    def fetch(self, session: BorrowingSession, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the rows for some keys; the last one stands in the places that are left."""
        parameters = self._parameters
        values = [*keys, *[keys[-1]] * (len(parameters) - len(keys))]
        given = {each.key: value for each, value in zip(parameters, values, strict=True)}
        return session.fetch(self._query, parameters, self._statement, given)


class _List(FetchedRelation):
    """A list of objects that hold the key of their owner in one column."""

    def __init__(self, property_: RelationshipProperty[Any], path: Any, column: Any) -> None:
        super().__init__(property_, path, column)
        self._key_name = self.mapper.get_property_by_column(column).key

    def load(
        self, session: BorrowingSession, owners: States, options: Sequence[ExecutableOption]
    ) -> None:
        """Set the list of each owner."""
        states: dict[Any, Any] = {state.key[1][0]: state for state in owners}  # type: ignore[index]
        keys = list(states)
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            lists: dict[Any, list[Any]] = {key: [] for key in chunk}
            for each in self._find(session, chunk, options):
                list_ = lists.get(each.__dict__[self._key_name])
                # Under a case-insensitive collation a child may match no owner; drop it, as
                # SQLAlchemy does.
                if list_ is not None:
                    list_.append(each)
            for key, list_ in lists.items():
                self._set(states[key], list_)

    def _set(self, state: InstanceState[Any], objects: list[Any]) -> None:
        # Extend the list directly: SQLAlchemy's own way does more for each object.
        set_list: Any = state.manager[self.name].impl.set_committed_value
        list.extend(set_list(state, state.dict, ()), objects)


class _One(FetchedRelation):
    """An object whose key its owners hold in one column."""

    def __init__(
        self, property_: RelationshipProperty[Any], path: Any, column: Any, *, held_in: Any
    ) -> None:
        super().__init__(property_, path, column)
        self._held_in = property_.parent.get_property_by_column(held_in).key

    def load(
        self, session: BorrowingSession, owners: States, options: Sequence[ExecutableOption]
    ) -> None:
        """Set the object of each owner, or None."""
        values: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
        for state in owners:
            values[state.dict[self._held_in]].append(state.dict)
        keys = [key for key in values if key is not None]
        found: dict[Any, Any] = {}
        for start in range(0, len(keys), _CHUNK):
            for each in self._find(session, keys[start : start + _CHUNK], options):
                found[_key_of(attributes.instance_state(each))] = each
        for key, holders in values.items():
            for each in holders:
                # What `set_committed_value` does with an object that was loaded just now.
                each[self.name] = found.get(key)


def _key_of(state: Any) -> Any:
    return state.key[1][0]


def _size_for(count: int) -> int:
    """Return for how many keys the statement is that is sent for so many: there are few."""
    return min(1 << (count - 1).bit_length(), _CHUNK)


def relation_of(
    owner: Mapper[Any], option: ExecutableOption
) -> FetchedRelation | JoinedRelation | None:
    """Return the relation that an option asks for, if it is a plain one and all it asks for."""
    if type(option) is not Load or len(option.context) != 1:
        return None
    element: Any = option.context[0]
    make = _MAKERS.get(element.strategy)
    if make is None or len(element.path.path) != 3:
        return None
    asked, property_, target = element.path.path
    asks_for = {name for name, value in element.local_opts.items() if value}
    is_plain = (
        asked is owner
        and target is property_.mapper
        and not has_criteria(element)
        and asks_for <= _OPTIONS[element.strategy]
    )
    return cached_on_mapper(owner, make, property_) if is_plain else None


def _make_fetched(property_: RelationshipProperty[Any]) -> FetchedRelation | None:
    path, columns = owner_path(property_.parent), selectin_columns(property_, _SELECTIN)
    if path is None or columns is None:
        return None
    column, held_in = columns
    if not any(each is column for each in property_.mapper.columns):
        return None
    if property_.direction is RelationshipDirection.ONETOMANY:
        is_list = property_.uselist and property_.collection_class in {None, list}
        return _List(property_, path, column) if is_list else None
    is_held = any(each is held_in for each in property_.parent.columns)
    return (
        _One(property_, path, column, held_in=held_in) if is_held and _is_one(property_) else None
    )


def _make_joined(property_: RelationshipProperty[Any]) -> JoinedRelation | None:
    path = owner_path(property_.parent)
    return JoinedRelation(property_, path) if path is not None and _is_one(property_) else None


def _is_one(property_: RelationshipProperty[Any]) -> bool:
    return property_.direction is RelationshipDirection.MANYTOONE and not property_.uselist


# By a loader option's strategy: what loads the relation, and the other settings it may have.
_MAKERS: dict[Any, Any] = {_SELECTIN: _make_fetched, _JOINED: _make_joined}
_OPTIONS: dict[Any, frozenset[str]] = {_SELECTIN: frozenset(), _JOINED: frozenset({"innerjoin"})}
