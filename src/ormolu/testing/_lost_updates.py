"""Finds updates that may be lost: a value is read, and written again from what it was.

Two requests that do so at once both succeed, and the change of the first is gone. A test meets
them one after the other, and sees nothing of it; this looks at how each is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, event
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import InstanceState, InstrumentedAttribute, Mapper, Session, SessionTransaction

from ormolu.backends import backend_of
from ormolu.seams import select_parts
from ormolu.testing._places import is_own, place_of
from ormolu.testing._session import KitSession

__all__ = ["assert_no_lost_updates", "lost_updates"]

_NOTES = "ormolu.reads"
_ADVICE = (
    "What another request stores in between is lost. Let the database compute it "
    "({name} = {name} + 1), read the row with `with_for_update=True`, give the class a version "
    "(`class {model}(Model, versioned=True)`), or set isolation_level={level!r} with `@retry`."
)


class _Notes:
    """What the program does with an object.

    Attributes:
        reads: The places where it has read an attribute first, by its name.
        writes: The places where it has set one last.
        is_kept: Whether nobody else can change the row before this transaction ends.
    """

    def __init__(self, *, is_kept: bool) -> None:
        self.reads: dict[str, str] = {}
        self.writes: dict[str, str] = {}
        self.is_kept: bool = is_kept


_Find = Callable[[str], object]
_finders: list[_Find] = []


@contextmanager
def assert_no_lost_updates() -> Iterator[None]:
    """Fail if a session within the block writes a value that the program has read before.

    Only where the database would let another transaction change the row in between: not with a
    version column, a row read FOR UPDATE, an isolation level that refuses it, or on SQLite, where
    writers come one after the other.

    Raises:
        AssertionError: One did, with the lines that read and write.
    """
    with lost_updates() as found:
        yield
    if found:
        listed = "\n  ".join(found)
        message = f"Updates may be lost:\n  {listed}"
        raise AssertionError(message)


@contextmanager
def lost_updates() -> Iterator[list[str]]:
    """Collect the updates within the block that may be lost, each as a sentence."""
    found: list[str] = []

    def find(sentence: str) -> None:
        if sentence not in found:
            found.append(sentence)

    if not _finders:
        _begin()
    _finders.append(find)
    try:
        yield found
    finally:
        _finders.remove(find)
        if not _finders:
            _end()


_get: Any = InstrumentedAttribute.__get__
_set: Any = InstrumentedAttribute.__set__


def _begin() -> None:
    attribute: Any = InstrumentedAttribute
    attribute.__get__, attribute.__set__ = _noted_get, _noted_set
    for target, name, function in _LISTENERS:
        event.listen(target, name, function)


def _end() -> None:
    attribute: Any = InstrumentedAttribute
    attribute.__get__, attribute.__set__ = _get, _set
    for target, name, function in _LISTENERS:
        event.remove(target, name, function)


def _noted_get(self: Any, instance: Any, owner: Any) -> Any:
    if instance is not None:
        state = sa.inspect(instance, raiseerr=False)
        # What it has set itself is no longer what the database has.
        if state is None or state.key is None or self.key in state.committed_state:
            return _get(self, instance, owner)
        if (frame := _caller()) is not None:
            _notes_of(state).reads.setdefault(self.key, place_of(frame))
    return _get(self, instance, owner)


def _noted_set(self: Any, instance: Any, value: Any) -> None:
    if (frame := _caller()) is not None:
        _notes_of(sa.inspect(instance)).writes[self.key] = place_of(frame)
    _set(self, instance, value)


def _caller() -> FrameType | None:
    """Return the frame that reads or sets the attribute, if it is the program's own."""
    current = inspect.currentframe()
    frame = current.f_back.f_back if current is not None and current.f_back is not None else None
    return frame if frame is not None and is_own(frame) else None


def _notes_of(state: InstanceState[Any]) -> _Notes:
    notes = state.info.get(_NOTES)
    if notes is None:
        notes = state.info[_NOTES] = _Notes(is_kept=False)
    return notes


def _loaded(target: object, context: Any, *_names: Any) -> None:
    """Begin anew with an object that has been loaded, or loaded again."""
    statement = getattr(context, "query", None)
    parts = select_parts(statement) if isinstance(statement, Select) else None
    is_locked = parts is not None and parts[2] is not None
    state: InstanceState[Any] = sa.inspect(target)
    state.info[_NOTES] = _Notes(is_kept=is_locked or _notes_of(state).is_kept)


def _flushed(session: Session, _context: Any) -> None:
    if isinstance(async_session(session), KitSession):  # Arranges what the application meets.
        return
    for each in session.dirty:
        state: InstanceState[Any] = sa.inspect(each)
        notes = _notes_of(state)
        if not notes.is_kept:
            _look_at(session, state, notes)
    for each in (*session.new, *session.dirty):
        # Who has written a row keeps it until the end.
        sa.inspect(each).info[_NOTES] = _Notes(is_kept=True)


def _look_at(session: Session, state: InstanceState[Any], notes: _Notes) -> None:
    mapper: Mapper[Any] = state.mapper
    if mapper.version_id_col is not None:
        return
    for key, read in notes.reads.items():
        if key not in mapper.column_attrs:
            continue
        history = state.attrs[key].history
        is_computed_there = any(isinstance(each, sa.ClauseElement) for each in history.added or ())
        if history.has_changes() and not is_computed_there:
            level = _level_wanted(session, mapper)
            if level is not None:
                _tell(mapper, key, read, notes.writes.get(key), level)


def _level_wanted(session: Session, mapper: Mapper[Any]) -> str | None:
    """Return the isolation level that would refuse the second update; None if this one does."""
    connection = session.connection(bind_arguments={"mapper": mapper})
    levels = backend_of(connection.dialect).levels_that_keep_updates
    if not levels or connection.get_isolation_level() in levels:
        return None
    return levels[-1]


def _tell(mapper: Mapper[Any], key: str, read: str, write: str | None, level: str) -> None:
    model = mapper.class_.__name__
    name = f"{model}.{key}"
    advice = _ADVICE.format(name=name, model=model, level=level)
    sentence = f"{name} is read by {read}, and written by {write or read}. {advice}"
    for find in _finders:
        find(sentence)


def _ended(session: Session, transaction: SessionTransaction) -> None:
    """Forget what was locked."""
    if transaction.parent is None:
        for state in session.identity_map.all_states():
            if (notes := state.info.get(_NOTES)) is not None:
                notes.is_kept = False


_LISTENERS: tuple[tuple[Any, str, Callable[..., None]], ...] = (
    (Mapper, "load", _loaded),
    (Mapper, "refresh", _loaded),
    (Session, "after_flush", _flushed),
    (Session, "after_transaction_end", _ended),
)
