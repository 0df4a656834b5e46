"""The engines of replicas, what asks each server how far it is, and what notes each COMMIT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import ref

from sqlalchemy import Engine, event

from ormolu.engines._listeners import Listeners
from ormolu.engines._location import Location
from ormolu.engines._lookout import Lookout, Watched, fetch_position
from ormolu.engines._making import make_engine
from ormolu.engines._options import connect_arguments
from ormolu.engines._pair import EnginePair
from ormolu.engines._replica import Primary, Replica
from ormolu.engines._replicas import Replicas
from ormolu.engines._server import Server, open_and_close
from ormolu.engines._url import Target
from ormolu.transactions import Access

__all__ = ["open_replicas"]


async def open_replicas(
    pair: EnginePair, database: object, location: Location, listeners: Listeners
) -> Replicas:
    """Return the replicas of a database, of which it is known how far they are.

    Args:
        pair: The engines of the primary.
        database: What clients know something of; see `knowing`.
        location: Where all of them are.
        listeners: Who listens to the engines.
    """
    maker = _Maker(location, listeners)
    options, question = location.options, location.target.backend.written_question
    assert question is not None
    primary = Primary()
    lookout = maker.lookout(location.target, pair.server, question, primary)
    replicas = Replicas(
        database, primary, lookout, wait=options.replica_wait, most_lag=options.replica_lag
    )
    replicas.all.extend(maker.replica(each, pair, primary) for each in location.replicas)
    _note_commits(pair.writer.sync_engine, replicas.note_commit)
    try:
        await replicas.open()
    except BaseException:
        await replicas.close()
        raise
    return replicas


class _Maker:
    """Makes what a replica has, as the options of its primary say."""

    def __init__(self, location: Location, listeners: Listeners) -> None:
        self._options = location.options
        self._listeners = listeners

    def replica(self, target: Target, primary_pair: EnginePair, primary: Primary) -> Replica:
        question = target.backend.replayed_question
        assert question is not None
        options = self._options
        condition = primary_pair.server.condition
        server = Server(target, options.connect_timeout, options.pool_timeout, condition)
        replica = Replica(_name_of(target), primary)
        ask = partial(fetch_position, question=question, read=target.backend.read_place)
        equip = partial(_check_connections, replica, ask)
        engine = make_engine(
            target,
            Access.READ,
            options,
            server=server,
            listeners=self._listeners,
            stopwatch=primary_pair.stopwatch,
            equip=equip,
        )
        arguments = connect_arguments(target, Access.READ, options)
        server.ask = partial(open_and_close, ref(engine.sync_engine), arguments, server.hosts)
        cache = EnginePair.new_cache()
        replica.pair = replace(primary_pair, reader=engine, server=server, kept=cache)
        replica.lookout = self.lookout(target, server, question, replica)
        return replica

    def lookout(self, target: Target, server: Server, question: str, watched: Watched) -> Lookout:
        options = replace(self._options, pool_size=1, max_overflow=0)
        engine = make_engine(target, Access.READ, options, server=server, listeners=self._listeners)
        return Lookout(
            engine, question, target.backend.read_place, watched, options.connect_timeout
        )


def _name_of(target: Target) -> str:
    url = target.url
    hosts = url.host or ",".join(_listed(url.query.get("host", ())))
    place = f"{hosts}:{url.port}" if url.port else hosts
    return f"{place}/{url.database}"


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _note_commits(engine: Engine, note: Callable[[], None]) -> None:
    """Call a function after each COMMIT of an engine, also one whose outcome is unknown.

    SQLAlchemy's event comes before it, when the position of what is committed is not known yet.
    """
    dialect: Any = engine.dialect
    for name in ("do_commit", "do_commit_twophase"):
        setattr(dialect, name, _noting(getattr(dialect, name), note))


def _noting(commit: Callable[..., None], note: Callable[[], None]) -> Callable[..., None]:
    def noted(*args: Any, **kwargs: Any) -> None:
        try:
            commit(*args, **kwargs)
        finally:
            note()

    return noted


def _check_connections(replica: Replica, fetch: Callable[[Any], Any], engine: Engine) -> None:
    """Ask over each new connection to a replica how far its server is."""

    @event.listens_for(engine, "connect")
    def _check(connection: Any, _record: object) -> None:
        replica.note_opened(fetch(connection))
