"""The engines of one database: one pair per event loop, none across a fork.

A connection belongs to the loop and the process that opened it: used elsewhere it answers with
"attached to a different loop", or with another worker's rows.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, MetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import configure_mappers

from ormolu.engines._condition import Condition, identity_of
from ormolu.engines._counts import Counts
from ormolu.engines._files import check_folder, file_of
from ormolu.engines._first_connection import check_connection
from ormolu.engines._listeners import Listener, Listeners
from ormolu.engines._location import Location, locate
from ormolu.engines._making import make_engine, make_pair
from ormolu.engines._metrics import install_metrics
from ormolu.engines._options import EngineOptions
from ormolu.engines._pair import EnginePair
from ormolu.engines._pool import FairPool, pools_of
from ormolu.engines._replica_engines import open_replicas
from ormolu.engines._replicas import Replicas
from ormolu.engines._schema import SchemaMode, prepare_schema
from ormolu.engines._server import Server
from ormolu.engines._spares import Spares
from ormolu.engines._times import make_stopwatch
from ormolu.engines._url import Target
from ormolu.errors import ConfigurationError, NoUnitOfWorkError, UsageError
from ormolu.faults import fault_of
from ormolu.timing import Stopwatch
from ormolu.transactions import Access

__all__ = ["EnginePair", "Engines"]

_OPEN = (
    "The database is open, and cannot become that of a test. What opens it, such as a client with "
    "a wider scope, has to ask for the fixture `database` first."
)
_NOT_OPEN = "The database is not open on this event loop. Write: await db.open()"

# Seconds within which the tables must be there, other workers' locks included.
_SCHEMA_TIMEOUT = 30.0


class _Kept(Protocol):
    is_closed: bool

    async def close(self) -> None: ...


_Closable = TypeVar("_Closable", bound=_Kept)


class Engines:
    """Makes, keeps and ends the engines of one database, per event loop.

    A loop's engines are made by its first `open`, with the tables in place, and end with `close`
    or with the loop. A forked child makes its own.

    Attributes:
        listeners: Who listens to the engines.
        migrations: The folder of the revisions, if the program names one.
        schema: What opening does about the tables.
        connections_left: How many connections were in use when their engines were closed.
        counts: What it was asked to do.
        stopwatch: Is told how long statements take; None if nobody wants to know.
        reads_in_autocommit: Whether reads are sent without a transaction around them.
        begins_with_first_statement: Whether the driver sends BEGIN with it, and limits all waits
            itself.
        reads_end_at_once: Whether the end of a read waits for nothing, be it that its connection
            has to be thrown away.
        has_replicas: Whether other servers are read from, too.
        is_moved: Whether this is the database of a test, for as long as that lasts.
    """

    def __init__(
        self,
        url: str | URL | None,
        *,
        metadata: MetaData,
        schema: SchemaMode,
        options: EngineOptions,
        migrations: str | None = None,
        replicas: Sequence[str | URL] = (),
        prepare: Callable[[Engines, SchemaMode], Awaitable[None]] | None = None,
    ) -> None:
        self._given_options = options
        self._be_at(locate(url, options, schema, replicas))
        self.metadata = metadata
        self.migrations = migrations
        self._prepare = prepare
        self._opened: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Opened]
        self._opened = weakref.WeakKeyDictionary()
        self._abandoned: list[object] = []
        self._spares: Spares | None = None
        self.is_moved: bool = False
        self.listeners: Listeners = Listeners()
        self.connections_left: int = 0
        self.counts: Counts = Counts()
        self.stopwatch: Stopwatch | None = None
        _FORKABLE.add(self)

    def _be_at(self, location: Location) -> None:
        # Plain attributes: each request asks for them.
        self._location = location
        self.target: Target = location.target
        self.options: EngineOptions = location.options
        self.schema: SchemaMode = location.schema
        self.reads_in_autocommit: bool = location.reads_in_autocommit
        self.begins_with_first_statement: bool = location.begins_with_first_statement
        self.reads_end_at_once: bool = location.reads_end_at_once
        self.has_replicas: bool = bool(location.replicas)

    @contextmanager
    def moved(
        self, url: str | URL, schema: SchemaMode | None = None, spares: Spares | None = None
    ) -> Iterator[None]:
        """Be another database within the block: that of a test.

        Args:
            url: Of that database.
            schema: What opening does about its tables; None changes nothing.
            spares: Engines of the last block with the same tables, and for the next one.

        Raises:
            UsageError: The database is open.
        """
        self._forget_closed_loops()
        if any(each.pair is not None for each in self._opened.values()):
            raise UsageError(_OPEN)
        before, was_moved = self._location, self.is_moved
        self._be_at(locate(url, self._given_options, schema or self.schema))
        self._spares, self.is_moved = spares, True
        try:
            yield
        finally:
            if spares is not None:
                spares.move_on()
            self._spares, self.is_moved = None, was_moved
            self._be_at(before)
            # What is still open there is not this database's.
            self._opened = weakref.WeakKeyDictionary()

    @property
    def replicas(self) -> Replicas | None:
        """Return those that are read from on the running loop."""
        opened = self._opened.get(asyncio.get_running_loop()) if self.has_replicas else None
        return None if opened is None else opened.replicas

    @property
    def current(self) -> EnginePair | None:
        """Return the running loop's engines, None before they are open."""
        opened = self._opened.get(asyncio.get_running_loop())
        return opened.pair if opened else None

    @property
    def opened(self) -> EnginePair:
        """Return the running loop's engines.

        Raises:
            NoUnitOfWorkError: They are not open.
        """
        pair = self.current
        if pair is None:
            raise NoUnitOfWorkError(_NOT_OPEN)
        return pair

    def has_listeners(self, access: Access) -> bool:
        """Tell whether the program listens to an open engine, or to a new one as it is made."""
        pairs = [opened.pair for opened in self._opened.values() if opened.pair is not None]
        engines = [pair.of(access) for pair in pairs] or [self._make_engine(access, self._server())]
        return any(self.listeners.has_any(each.sync_engine) for each in engines)

    async def open(self) -> EnginePair:
        """Return the running loop's engines; the first call makes them and the tables.

        Raises:
            DatabaseDownError: The database does not answer.
            SchemaMismatchError: It does not have what the models map.
        """
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            self._forget_closed_loops()
            opened = self._opened[loop] = _Opened()
        async with opened.lock:
            if opened.pair is None:
                pair = await self._open_pair()
                opened.replicas = await self._open_replicas(pair)
                opened.pair = pair
                opened.ending = self._end_with_loop(weakref.ref(loop), opened.pair)
                await anext(opened.ending)
        return opened.pair

    def _forget_closed_loops(self) -> None:
        """Forget loops that were closed without their end, by `loop.close()` alone."""
        for loop in [each for each in self._opened if each.is_closed()]:
            del self._opened[loop]

    def keep(self, kind: type[_Closable], make: Callable[[], _Closable]) -> _Closable:
        """Return what belongs to the running loop's engines, and is closed before they are.

        Args:
            kind: Its class; there is one of each.
            make: Makes it if it is not there.

        Raises:
            NoUnitOfWorkError: They are not open.
        """
        opened = self._opened.get(asyncio.get_running_loop())
        if opened is None or opened.pair is None:
            raise NoUnitOfWorkError(_NOT_OPEN)
        if kind not in opened.kept:
            opened.kept[kind] = make()
        kept: _Closable = opened.kept[kind]
        return kept

    async def _open_pair(self) -> EnginePair:
        configure_mappers()
        check_folder(self.target)
        instruments = install_metrics(_all_engines)
        self.stopwatch = make_stopwatch(self.options, self.target, instruments)
        pair = make_pair(
            self.target, self.options, server=self._server(), listeners=self.listeners,
            stopwatch=self.stopwatch, spares=None if self.stopwatch else self._spares,
        )  # fmt: skip
        pair.server.instruments = instruments
        try:
            if self.schema != "ignore":
                await check_connection(pair.writer)
                if self._prepare is not None:
                    await self._prepare(self, self.schema)
                await prepare_schema(
                    pair.reader, pair.writer, self.metadata, self.schema, _SCHEMA_TIMEOUT
                )
        except BaseException as error:
            await pair.dispose()
            fault = fault_of(error) if isinstance(error, DBAPIError) else None
            if fault is not None and fault.advice is not None:
                message = f"The database cannot be used: {fault.advice} [{fault.native}]."
                raise ConfigurationError(message) from error
            raise
        pair.server.file = file_of(self.target)
        pair.server.condition.identity = identity_of(pair.server.file)
        return pair

    async def _open_replicas(self, pair: EnginePair) -> Replicas | None:
        if not self.has_replicas:
            return None
        try:
            return await open_replicas(pair, self, self._location, self.listeners)
        except BaseException:
            await pair.dispose()
            raise

    def _server(self) -> Server:
        options = self.options
        timeouts = options.connect_timeout, options.pool_timeout
        return Server(self.target, *timeouts, Condition(self.counts))

    async def close(self) -> None:
        """Close the running loop's connections; a later `open` makes new ones."""
        opened = self._opened.get(asyncio.get_running_loop())
        if opened is not None and opened.ending is not None:
            await opened.ending.aclose()

    def abandon(self) -> None:
        """Forget all engines without closing a connection: after a fork they are the parent's."""
        # Keep the parent's engines: their destructors would say goodbye to its server.
        self._abandoned.append(dict(self._opened))
        for opened in self._opened.values():
            for kept in opened.kept.values():
                kept.is_closed = True
        self._opened = weakref.WeakKeyDictionary()

    async def _end_with_loop(
        self, find_loop: Callable[[], asyncio.AbstractEventLoop | None], pair: EnginePair
    ) -> AsyncGenerator[None]:
        """Dispose when closed; a loop closes its open asynchronous generators as it ends.

        Args:
            find_loop: A weak reference: what is kept for a loop must not keep the loop.
            pair: Its engines.
        """
        try:
            yield
        finally:
            loop = find_loop()
            opened = None if loop is None else self._opened.pop(loop, None)
            for kept in () if opened is None else opened.kept.values():
                await kept.close()
            if opened is not None and opened.replicas is not None:
                self.connections_left += opened.replicas.connections_in_use
                await opened.replicas.close()
            left = pair.connections_in_use
            self.connections_left += left
            await pair.dispose()
            if self._spares is not None and not left:
                self._spares.put(pair)

    def pools(self) -> dict[str, list[FairPool]]:
        """Return the pools of all event loops, those for reading and those for writing."""
        pairs = [each.pair for each in list(self._opened.values()) if each.pair is not None]
        replicas = [each.replicas for each in self._opened.values() if each.replicas is not None]
        followers = [each.pair for every in replicas for each in every.all]
        return {"reader": pools_of([each.reader for each in (*pairs, *followers)]),
                "writer": pools_of([each.writer for each in pairs])}  # fmt: skip

    def followers(self) -> list[tuple[str, float | None, bool]]:
        """Return the replicas of all event loops.

        Returns:
            Of each its name, its lag in seconds if it answers, and whether it is read from.
        """
        replicas = [each.replicas for each in self._opened.values() if each.replicas is not None]
        return [
            (each.name, None if each.position is None else each.lag, every.is_read(each))
            for every in replicas
            for each in every.all
        ]

    @property
    def url(self) -> URL:
        """Return the URL, with its asynchronous driver."""
        return self.target.url

    def make_engine(self) -> AsyncEngine:
        """Return an engine beside those of the loop, that writes; the caller disposes of it."""
        return self._make_engine(Access.WRITE, self._server())

    def _make_engine(self, access: Access, server: Server) -> AsyncEngine:
        return make_engine(
            self.target,
            access,
            self.options,
            server=server,
            listeners=self.listeners,
            stopwatch=self.stopwatch,
        )

    def listen(self, listener: Listener) -> None:
        """Let a function of the program's hear an event of all engines, open and to come."""
        self.listeners.note(listener)
        for opened in self._opened.values():
            if opened.pair is not None:
                replicas = () if opened.replicas is None else opened.replicas.all
                readers = [each.pair.reader for each in replicas]
                for engine in (opened.pair.reader, opened.pair.writer, *readers):
                    listener.add_to(engine.sync_engine)


class _Opened:
    """What one event loop has of a database."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.pair: EnginePair | None = None
        self.replicas: Replicas | None = None
        self.ending: AsyncGenerator[None] | None = None
        self.kept: dict[Any, Any] = {}


_FORKABLE: weakref.WeakSet[Engines] = weakref.WeakSet()


def _all_engines() -> list[Engines]:
    return list(_FORKABLE)


def _abandon_all() -> None:
    for engines in _FORKABLE:
        engines.abandon()


_register_at_fork: Callable[..., None] | None = getattr(os, "register_at_fork", None)
if _register_at_fork is not None:  # pragma: no branch -- Windows cannot fork
    _register_at_fork(after_in_child=_abandon_all)
