"""Engines that were closed at one place, and serve at the next: those of tests.

To make them, to ask their server what it is and to compile the statements anew takes as long as all
else that a short test does. They serve again only as they were made: what one test has hung on
them must not be there for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine.events import ConnectionEvents, DialectEvents
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool.events import PoolEvents

from ormolu.engines._long_reads import LongReads
from ormolu.engines._options import EngineOptions
from ormolu.engines._pair import EnginePair
from ormolu.engines._pool import FairPool
from ormolu.engines._server import Server

__all__ = ["Spares"]


class Spares:
    """The engines of databases that have the same tables, and differ in their names alone."""

    def __init__(self) -> None:
        self._closed: list[EnginePair] = []
        self._ready: list[EnginePair] = []
        self._made: WeakKeyDictionary[Engine, _Look] = WeakKeyDictionary()

    def equip(self, engine: Engine) -> None:
        """Hear when a new engine has connected: before, its dialect knows nothing of its server."""

        @event.listens_for(engine, "connect", once=True)
        def _look(_connection: object, _record: object) -> None:
            self._made[engine].dialect = _attributes(engine.dialect)

    def watch(self, pair: EnginePair) -> None:
        """Remember how engines were made."""
        self._made.update((each, _Look(each)) for each in _engines(pair))

    def put(self, pair: EnginePair) -> None:
        """Keep engines whose connections are closed for the next place, if they were watched."""
        if pair.writer.sync_engine in self._made:
            self._closed.append(pair)

    def move_on(self) -> None:
        """Have those ready that were closed at the last place."""
        self._ready, self._closed = self._closed, []

    def take(self, server: Server, options: EngineOptions) -> EnginePair | None:
        """Return engines that know nothing of their last place; None if none are as they were made.

        Args:
            server: Where they serve now.
            options: How they were made.
        """
        last = self._ready.pop() if self._ready else None
        if last is None or not all(self._made[each].is_of(each) for each in _engines(last)):
            return None
        last.server.be_at(server.target, server.condition)
        for engine in _engines(last):
            engine.url = server.target.url
            if isinstance(engine.pool, FairPool):
                engine.pool.watch_server(last.server, options.patience)
        reader, writer = map(AsyncEngine, _engines(last))
        long_reads = LongReads(options.pool_size, options.patience)
        return EnginePair(reader=reader, writer=writer, server=last.server, long_reads=long_reads)


def _engines(pair: EnginePair) -> tuple[Engine, Engine]:
    return pair.reader.sync_engine, pair.writer.sync_engine


class _Look:
    """How an engine looks that nobody has changed.

    Attributes:
        dialect: The attributes of its dialect.
    """

    def __init__(self, engine: Engine) -> None:
        self._maker = sqlalchemy_asyncio.create_async_engine
        self._listeners = _count_listeners(engine)
        self._own = _attributes(engine)
        self.dialect: Mapping[str, Any] = _attributes(engine.dialect)

    def is_of(self, engine: Engine) -> bool:
        """Tell whether an engine looks so, and a new one would."""
        # One who listens to first connections hears of none; a tracer wraps what makes engines.
        return (
            not engine.pool.dispatch.first_connect
            and self._maker is sqlalchemy_asyncio.create_async_engine
            and self._listeners == _count_listeners(engine)
            and self._own == _attributes(engine)
            and self._is_of_dialect(engine)
        )

    def _is_of_dialect(self, engine: Engine) -> bool:
        found = _attributes(engine.dialect)
        # What it computes once has names of its own.
        added = found.keys() - self.dialect.keys()
        is_added_by_itself = all(each.startswith("_") for each in added)
        # MySQL's knows the database as its schema.
        knows_place = engine.url.database in found.values()
        return is_added_by_itself and not knows_place and self.dialect.items() <= found.items()


def _attributes(place: object) -> dict[str, Any]:
    return {name: each for name, each in vars(place).items() if name not in _MOVED}


def _count_listeners(engine: Engine) -> list[int]:
    return [
        len(getattr(place.dispatch, name))
        for place, names in zip((engine, engine.dialect, engine.pool), _EVENTS, strict=True)
        for name in names
    ]


# What another place, and each `dispose`, replaces.
_MOVED = ("pool", "url")
_EVENTS = tuple(
    [name for name in vars(events) if not name.startswith("_") and name != "dispatch"]
    for events in (ConnectionEvents, DialectEvents, PoolEvents)
)
