"""Statements that ask for the objects of one plain class, and perhaps for those related to them.

SQLAlchemy prepares its loading anew with each statement, for eager loads, inheritance, refreshing
and events. Where there is nothing of that the objects are made here, as its loading would make
them, in half the time. All else is left to SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Result, Select
from sqlalchemy.orm import Mapper, Session, attributes
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.selectable import LABEL_STYLE_DEFAULT

from ormolu.seams import (
    cache_key_of,
    count_attributes,
    is_clean,
    mapper_asked_for,
    select_parts,
    session_key,
)
from ormolu.sessions._borrowing import BorrowingSession
from ormolu.sessions._compiled import (
    CompiledQuery,
    Parameters,
    UncompilableError,
    columns_of,
    compile_query,
)
from ormolu.sessions._listeners import has_query_listeners
from ormolu.sessions._relations import (
    FetchedRelation,
    JoinedRelation,
    relation_of,
)
from ormolu.sessions._shapes import Shape, shape_of

__all__ = ["load_at_once", "load_objects"]


class _Loading:
    """How the objects of a statement are loaded, and of all statements that are like it.

    Attributes:
        shape: Of the objects.
        joined: What stands in their rows besides, with where it does.
        fetched: What is read for them after that.
        owner_path: Where SQLAlchemy loads them; None if nothing is related to them.
        mappers: Of what is in a row.
        query: The statement; None where SQLAlchemy has to send it.
    """

    def __init__(
        self,
        mapper: Mapper[Any],
        shape: Shape,
        relations: Sequence[FetchedRelation | JoinedRelation],
    ) -> None:
        self.shape = shape
        joined = [each for each in relations if isinstance(each, JoinedRelation)]
        places = list(mapper.attrs.keys())
        joined.sort(key=lambda each: places.index(each.name))
        self.mappers = [mapper, *(each.mapper for each in joined)]
        self.joined = list(zip(joined, _slices(self.mappers)[1:], strict=True))
        self.fetched = [each for each in relations if isinstance(each, FetchedRelation)]
        self.owner_path = relations[0].owner_path if relations else None
        self.query: CompiledQuery | None = None
        self._mappers = [mapper, *(each.mapper for each in relations)]
        self._shapes = [shape, *(each.shape for each in relations)]
        self._classes = {each.class_ for each in self._mappers}
        self._counts = self._count()

    def _count(self) -> list[int]:
        return [count_attributes(each) for each in self._mappers]

    @property
    def is_current(self) -> bool:
        """Tell whether its classes have the attributes that they had."""
        return self._counts == self._count()

    def is_possible(self, session: Session) -> bool:
        """Tell whether nobody listens, and no class has objects yet, which would have to be kept.

        Nor may one be loaded by two statements, of which the second would find those of the first.
        """
        if len(self._classes) < len(self._mappers) or (self.joined and self.query is None):
            return False
        if any(each is None or each.has_listeners for each in self._shapes):
            return False
        present = session.identity_map
        if not len(present):
            return True
        return not any(key[0] in self._classes for key in present.keys())  # noqa: SIM118 -- no iteration


def load_objects(
    session: BorrowingSession, statement: object, given: Mapping[str, Any] | None
) -> Result[Any] | None:
    """Execute a statement, and load the objects that it asks for.

    Args:
        session: Of the objects.
        statement: Any.
        given: Values by the names of the statement's parameters.

    Returns:
        None if nothing was done, as SQLAlchemy has to see to it: the statement asks for anything
        else, somebody listens, or objects of the class are there already.
    """
    loading, parameters = _prepare(session, statement)
    if loading is None:
        return None
    assert isinstance(statement, Select)
    if loading.query is None or parameters is None:
        rows: Sequence[Any] = session.connection().execute(statement, given).all()
    else:
        rows = session.fetch(loading.query, parameters, statement, given)
    return _result_of(session, statement, loading, rows)


def load_at_once(
    session: BorrowingSession, statement: object, given: Mapping[str, Any] | None
) -> Result[Any] | None:
    """Do the same where nothing has to be waited for, outside of a greenlet.

    Returns:
        None if nothing was done: `load_objects` may be able to.
    """
    if session.borrowed is None:
        return None
    loading, parameters = _prepare(session, statement)
    if loading is None or loading.query is None or parameters is None or loading.fetched:
        return None
    rows = session.fetch_at_once(loading.query, parameters, given)
    if rows is None:
        return None
    assert isinstance(statement, Select)
    return _result_of(session, statement, loading, rows)


def _result_of(
    session: BorrowingSession, statement: Select[Any], loading: _Loading, rows: Sequence[Any]
) -> Result[Any]:
    if loading.owner_path is None:
        return loading.shape.result(loading.shape.load(session, rows))
    options = _parts_of(statement)[1]
    objects = loading.shape.load(session, rows, options, loading.owner_path)
    for joined, place in loading.joined:
        joined.take(session, objects, [row[place] for row in rows], options)
    if loading.fetched:
        there = {id(each): each for each in objects if each is not None}
        owners = [attributes.instance_state(each) for each in there.values()]
        for fetched in loading.fetched:
            fetched.load(session, owners, options)
    return loading.shape.result(objects)


def _prepare(
    session: BorrowingSession, statement: object
) -> tuple[_Loading | None, Parameters | None]:
    """Return how a statement is loaded, if it is by us, and its parameters, if it is compiled."""
    if type(statement) is not Select or statement.get_execution_options():
        return None, None
    if session.execution_options or has_query_listeners(session):
        return None, None
    if not is_clean(session) or session_key(session) is None:
        return None, None
    loading, parameters = _loading_of(session, statement)
    if loading is None or not loading.is_possible(session):
        return None, None
    return loading, parameters


def _loading_of(
    session: BorrowingSession, statement: Select[Any]
) -> tuple[_Loading | None, Parameters | None]:
    """Return how a statement is loaded, if we can, and its parameters, if it is compiled once."""
    key = None if session.borrowed is None else cache_key_of(statement)
    # The cache key lacks the values that are given to `statement.params()`.
    if key is None or key[2] is not None:
        return _make_loading(statement), None
    loading = session.kept.get(key[0])
    if loading is None or not loading.is_current:
        loading = _make_loading(statement)
        if loading is None:
            return None, None
        with suppress(UncompilableError):
            loading.query = compile_query(statement, key, session.dialect, loading.mappers)
        session.kept[key[0]] = loading
    return loading, key[1]


def _make_loading(statement: Select[Any]) -> _Loading | None:
    columns, options, lock = _parts_of(statement)
    is_plain = (
        len(columns) == 1
        and columns[0].is_selectable
        and lock is None
        and statement.get_label_style() is LABEL_STYLE_DEFAULT
    )
    mapper = mapper_asked_for(columns[0]) if is_plain else None
    if mapper is None:
        return None
    shape = shape_of(mapper)
    found = [relation_of(mapper, option) for option in options]
    relations = [each for each in found if each is not None]
    is_ours = shape is not None and len(relations) == len(found)
    return _Loading(mapper, shape, relations) if is_ours and shape is not None else None


def _slices(mappers: Sequence[Mapper[Any]]) -> list[slice]:
    """Return where each class stands in a row of all."""
    found, start = [], 0
    for mapper in mappers:
        end = start + len(columns_of(mapper))
        found.append(slice(start, end))
        start = end
    return found


def _parts_of(statement: Select[Any]) -> tuple[Sequence[Any], Sequence[ExecutableOption], Any]:
    return select_parts(statement) or ((), (), None)
