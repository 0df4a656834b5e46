"""Statements that ask for the objects of one plain class, and perhaps for lists of theirs.

SQLAlchemy prepares its loading anew with each statement, for eager loads, inheritance, refreshing
and events. Where there is nothing of that the objects are made here, as its loading would make
them, in half the time. All else is left to SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Result, Select
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.selectable import LABEL_STYLE_DEFAULT

from ormolu.seams import mapper_asked_for, select_parts, session_key
from ormolu.sessions._relations import relation_of
from ormolu.sessions._shapes import shape_of

__all__ = ["load_objects"]


def load_objects(
    session: Session,
    statement: object,
    parameters: Mapping[str, Any] | None,
    options: Sequence[ExecutableOption] = (),
    read: Callable[[Connection], Sequence[Any]] | None = None,
) -> Result[Any] | None:
    """Execute a statement, and load the objects that it asks for.

    Args:
        session: Of the objects.
        statement: Any.
        parameters: Of the statement.
        options: Such as `selectinload`, beside those of the statement.
        read: Returns the rows, if there is a way to them beside executing the statement.

    Returns:
        None if nothing was done, as SQLAlchemy has to see to it: the statement asks for anything
        else, somebody listens, or objects of the class are there already.
    """
    mapper, own_options = _asked_of(statement) if type(statement) is Select else (None, ())
    if mapper is None or _is_heard(session) or _has_changes(session):
        return None
    options = (*own_options, *options)
    relations = [relation_of(mapper, option) for option in options]
    loaded = [mapper, *(None if relation is None else relation.mapper for relation in relations)]
    shape = shape_of(mapper)
    if shape is None or not _can_load(session, loaded):
        return None
    assert isinstance(statement, Select)
    connection = session.connection()
    rows = read(connection) if read else connection.execute(statement, parameters).all()
    objects = shape.load(session, rows)
    for relation in relations:
        assert relation is not None
        relation.load(session, objects, options)
    return shape.result(objects)


def _asked_of(statement: Select[Any]) -> tuple[Mapper[Any] | None, Sequence[ExecutableOption]]:
    """Return whose objects a statement asks for, if for nothing else, and with what options."""
    parts = select_parts(statement)
    if parts is None:
        return None, ()
    columns, options, lock = parts
    is_plain = (
        len(columns) == 1
        and columns[0].is_selectable
        and lock is None
        and statement.get_label_style() is LABEL_STYLE_DEFAULT
        and not statement.get_execution_options()
    )
    return (mapper_asked_for(columns[0]) if is_plain else None), options


def _is_heard(session: Session) -> bool:
    heard = session.dispatch
    return bool(heard.do_orm_execute or heard.loaded_as_persistent or session.execution_options)


def _has_changes(session: Session) -> bool:
    """Tell whether anything would be flushed before the statement."""
    return bool(session.new or session.deleted or session.identity_map.check_modified())


def _can_load(session: Session, mappers: Sequence[Mapper[Any] | None]) -> bool:
    """Tell whether all classes are plain, and have no object yet, which would have to be kept.

    Nor may one be loaded by two statements, of which the second would find those of the first.
    """
    if len(set(mappers)) < len(mappers) or session_key(session) is None:
        return False
    present = {key[0] for key in session.identity_map.keys()}  # noqa: SIM118 -- no iteration
    return all(
        mapper is not None and mapper.class_ not in present and shape_of(mapper) is not None
        for mapper in mappers
    )
