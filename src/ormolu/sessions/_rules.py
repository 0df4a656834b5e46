"""The session below an AsyncSession: what a unit of work may not do, and what it asked for.

Knows whether it may write; neither tasks nor connections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Result, TextClause, event, inspect
from sqlalchemy.exc import MissingGreenlet, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.backends import POSTGRESQL
from ormolu.errors import LazyLoadError, ReadOnlyError
from ormolu.models import not_loaded_message
from ormolu.seams import expired_names, relation_in_loading
from ormolu.sessions._borrowing import BorrowingSession
from ormolu.sessions._lookups import KEY, lookup_of
from ormolu.sessions._objects import load_at_once, load_objects

__all__ = ["RulesSession", "asks_for_cursor", "has_flush_listeners", "has_session_listeners"]

_NO_LOCK = (None, False)

# Judged as for PostgreSQL, the backend on which most statements leave something behind.
_is_quiet = POSTGRESQL.leaves_no_trace

_CHANGE = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE)

# What AsyncSession adds to the options of each statement.
_BUFFERED = {"execution_options": {"prebuffer_rows": True}}
_NOTHING = {**_BUFFERED, "bind_arguments": None}


class RulesSession(BorrowingSession):
    """The part below AsyncSession, which every statement and every flush passes."""

    is_read_only = False
    # Whether a statement was sent that may have changed the state of its connection.
    has_told: bool = False
    # Whether a change was sent that is neither committed nor rolled back.
    has_written: bool = False
    # Whether a COMMIT has succeeded.
    has_committed: bool = False
    _is_committing: bool = False
    _last_select: Any = None

    @property
    def last_entity(self) -> str | None:
        """Return the name of the class that the last query asked for."""
        return _entity_of(self._last_select)

    def commit(self) -> None:
        """COMMIT, as SQLAlchemy does, and note it."""
        self._is_committing = True
        try:
            super().commit()
        finally:
            self._is_committing = False
        self.has_committed, self.has_written = True, False

    def note_commit(self, _connection: object) -> None:
        """Note a COMMIT that the program sends over the connection."""
        self.has_committed = self.has_committed or not self._is_committing

    # Not by `do_orm_execute`: with a listener SQLAlchemy prepares each statement twice.
    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement, as SQLAlchemy does.

        Raises:
            LazyLoadError: It was to load a column or a relation where nothing can be awaited.
            MissingGreenlet: Never; it is a `LazyLoadError`.
            StatementError: As SQLAlchemy does.
        """
        result = self._load(statement, params, options)
        if result is not None:
            return result
        try:
            return super().execute(statement, params, **options)
        except (MissingGreenlet, StatementError) as error:
            # Some drivers raise it while a statement runs, and SQLAlchemy wraps it.
            if isinstance(getattr(error, "orig", error), MissingGreenlet):
                raise LazyLoadError(_not_loaded_message(statement)) from error
            raise

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Return a statement's first value, as SQLAlchemy does."""
        result = self._load(statement, params, options)
        return super().scalar(statement, params, **options) if result is None else result.scalar()

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Return the first values of a statement's rows, as SQLAlchemy does."""
        result = self._load(statement, params, options)
        return super().scalars(statement, params, **options) if result is None else result.scalars()

    def execute_at_once(self, statement: Any, params: Any) -> Result[Any] | None:
        """Execute a statement that waits for nothing, outside of a greenlet; None if it may."""
        if self.borrowed is None or not (params is None or type(params) is dict):
            return None
        self._note(statement)
        return load_at_once(self, statement, params)

    def _load(self, statement: Any, params: Any, options: Mapping[str, Any]) -> Any:
        """Return the result of a statement whose objects SQLAlchemy need not load, or None."""
        self._note(statement)
        is_plain = (params is None or type(params) is dict) and _are_plain(options)
        return load_objects(self, statement, params) if is_plain else None

    def _note(self, statement: Any) -> None:
        if getattr(statement, "is_select", False):
            self._last_select = statement
        elif isinstance(statement, TextClause):
            self.has_written = self.has_written or _changes_rows(statement.text)
            self.has_told = self.has_told or not _is_quiet(statement.text)
        else:
            if getattr(statement, "is_dml", False):
                if self.is_read_only:
                    raise ReadOnlyError(_read_only_message(_entity_of(statement) or "a table"))
                self.has_written = True
            self.has_told = True

    def get(self, entity: Any, ident: Any, *, options: Any = None, **more: Any) -> Any:
        """Return the object with a primary key, as SQLAlchemy does."""
        # An empty `with_for_update` locks as well.
        is_plain = not any(more.values()) and more.get("with_for_update") in _NO_LOCK
        lookup = lookup_of(self, entity, ident) if is_plain else None
        if lookup is None:
            return super().get(entity, ident, options=options, **more)
        statement = lookup.options(*options) if options else lookup
        self._note(statement)
        result = load_objects(self, statement, {KEY: ident})
        if result is None:
            result = super().execute(statement, {KEY: ident})
        return result.unique().scalars().one_or_none()


@event.listens_for(RulesSession, "before_flush")
def _refuse_flush(session: RulesSession, _context: object, _objects: object) -> None:
    if not session.is_read_only:
        session.has_written = True
        return
    changed = [*session.new, *session.deleted, *filter(session.is_modified, session.dirty)]
    if changed:
        raise ReadOnlyError(_read_only_message(type(changed[0]).__name__))


def _changes_rows(sql: str) -> bool:
    return _CHANGE.match(sql) is not None


def asks_for_cursor(statement: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether the rows of a statement are to be fetched from the server bit by bit."""
    own, given = statement.get_execution_options(), options.get("execution_options")
    return any(
        each and (each.get("yield_per") or each.get("stream_results")) for each in (own, given)
    )


def _are_plain(options: Mapping[str, Any]) -> bool:
    """Tell whether the arguments of a statement, beside its parameters, ask for nothing."""
    return options == _NOTHING or {name: value for name, value in options.items() if value} in (
        {},
        _BUFFERED,
    )


def _entity_of(statement: Any) -> str | None:
    """Return the name of the class that a statement is about, if it is about one."""
    written = getattr(statement, "entity_description", None)
    read = getattr(statement, "column_descriptions", ()) if written is None else (written,)
    entities = (each["entity"] for each in read if each.get("entity") is not None)
    mapper = getattr(inspect(next(entities, None), raiseerr=False), "mapper", None)
    return None if mapper is None else str(mapper.class_.__name__)


def _read_only_message(name: str) -> str:
    return (
        f"This unit of work only reads, and {name} was to be written. GET, HEAD and QUERY do not "
        "write: use POST, PUT, PATCH or DELETE, or a unit of work of its own: "
        "`async with db.unit_of_work() as session: ...`"
    )


def _not_loaded_message(statement: Any) -> str:
    """Say what SQLAlchemy was about to load by itself, and what to write instead."""
    relation = relation_in_loading(statement)
    if relation is not None:
        return not_loaded_message(relation)
    model = _entity_of(statement) or "the object"
    names = expired_names(statement)
    place = ", ".join(f"{model}.{name}" for name in names) or f"An attribute of {model}"
    listed = f", {names}" if names else ""
    return (
        f"{place} is not loaded: it is deferred, or was expired by a rollback, by "
        f"`session.expire` or by the SQL expression that it was set to. Before you read it write "
        f"`await session.refresh(the_object{listed})`, or load it with the query: "
        "`select(...).options(undefer(...))`."
    )


def has_flush_listeners(session: AsyncSession) -> bool:
    """Tell whether the program listens to flushes, of which a statement alone tells nothing."""
    events = session.sync_session.dispatch
    listeners = [*events.before_flush, *events.after_flush, *events.after_flush_postexec]
    return any(each is not _refuse_flush and not _is_idle(each) for each in listeners)


def has_session_listeners(session: AsyncSession | None = None) -> bool:
    """Tell whether the program listens to sessions, which may add to what they send.

    Args:
        session: One that it may listen to alone; None for what all have in common.
    """
    events = (_UNUSED if session is None else session.sync_session).dispatch
    others = sum(len(getattr(events, name)) for name in _SESSION_EVENTS) - _OUR_LISTENERS
    idle = (*events.before_flush, *events.after_flush) if others else ()
    return others != sum(map(_is_idle, idle))


def _is_idle(listener: Any) -> bool:
    """Tell whether a listener does nothing: sqlalchemy-utils listens as soon as it is imported."""
    owner = getattr(listener, "__self__", None)
    name = _REGISTRIES.get((type(owner).__module__, type(owner).__name__))
    return name is not None and not getattr(owner, name, True)


_SESSION_EVENTS = (
    "after_begin", "after_commit", "after_flush", "after_flush_postexec", "after_rollback",
    "after_transaction_create", "after_transaction_end", "before_commit", "before_flush",
    "do_orm_execute",
)  # fmt: skip

# Listeners by module and class, with the attribute that stays empty until a model needs them.
_REGISTRIES = {
    ("sqlalchemy_utils.aggregates", "AggregationManager"): "generator_registry",
    ("sqlalchemy_utils.observer", "PropertyObserver"): "callback_map",
}

# Has the listeners that all our sessions share: ours, and those to its class or a base.
_UNUSED = RulesSession()
_OUR_LISTENERS = 1
