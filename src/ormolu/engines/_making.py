"""How the engines of a database are made, and what listens to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from weakref import ref

from sqlalchemy import Engine
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from ormolu.backends import backend_of
from ormolu.engines._borrowed import repeat_failures
from ormolu.engines._condition import note_refusals
from ormolu.engines._errors import (
    open_connections,
    refuse_lost_commits,
    report_statement_errors,
)
from ormolu.engines._far_moments import read_far_moments
from ormolu.engines._kills import kill_abandoned, leave_soon
from ormolu.engines._listeners import Listeners
from ormolu.engines._long_reads import LongReads
from ormolu.engines._options import (
    EngineOptions,
    check_reader,
    connect_arguments,
    engine_arguments,
    set_session,
    silence_driver,
)
from ormolu.engines._pair import EnginePair
from ormolu.engines._pasted import keep_alive
from ormolu.engines._pool import (
    FairPool,
    ping_idle_connections,
    pool_class,
    reset_on_return,
    share_limit,
)
from ormolu.engines._server import Server, open_and_close
from ormolu.engines._silence import cut_silent_connections
from ormolu.engines._spares import Spares
from ormolu.engines._times import time_statements
from ormolu.engines._traces import note_traces
from ormolu.engines._url import Target
from ormolu.sqlite import prepare_connections
from ormolu.timing import Stopwatch
from ormolu.transactions import Access

__all__ = ["make_engine", "make_pair"]


def make_pair(
    target: Target,
    options: EngineOptions,
    *,
    server: Server,
    listeners: Listeners,
    stopwatch: Stopwatch | None,
    spares: Spares | None,
) -> EnginePair:
    """Return the two engines of a database, which have opened nothing yet there.

    Args:
        target: Where it is.
        options: How they are made.
        server: Whether its server lives.
        listeners: Who else listens to them.
        stopwatch: Times their statements.
        spares: Engines that may serve; None makes new ones.
    """
    pair = None if spares is None else spares.take(server, options)
    if pair is None:
        reader, writer = (
            make_engine(
                target, each, options, server=server, listeners=listeners, stopwatch=stopwatch,
                equip=None if spares is None else spares.equip,
            )
            for each in (Access.READ, Access.WRITE)
        )  # fmt: skip
        long_reads = LongReads(options.pool_size, options.patience)
        pair = EnginePair(
            reader=reader, writer=writer, server=server, stopwatch=stopwatch, long_reads=long_reads
        )
        if spares is not None:
            spares.watch(pair)
    if pair.server.timeout is not None:
        arguments, hosts = connect_arguments(target, Access.READ, options), pair.server.hosts
        pair.server.ask = partial(open_and_close, ref(pair.reader.sync_engine), arguments, hosts)
    return pair


def make_engine(
    target: Target,
    access: Access,
    options: EngineOptions,
    *,
    server: Server,
    listeners: Listeners,
    stopwatch: Stopwatch | None = None,
    equip: Callable[[Engine], None] | None = None,
) -> AsyncEngine:
    """Return an engine, which has opened nothing yet.

    Args:
        target: Where its database is.
        access: What its connections may do.
        options: How it is made.
        server: Whether its server lives.
        listeners: Who else listens to it.
        stopwatch: Times its statements.
        equip: Lets more listen to it that is ours.
    """
    # Looked up now: a tracer may have wrapped it since we were imported.
    engine = sqlalchemy_asyncio.create_async_engine(
        target.url,
        poolclass=pool_class(),
        connect_args=connect_arguments(target, access, options),
        **engine_arguments(target, access, options),
    )
    with listeners.adding_ours(engine.sync_engine):
        _listen(engine.sync_engine, target, access, options, server=server, listeners=listeners)
        if stopwatch is not None:
            time_statements(engine.sync_engine, stopwatch)
        if equip is not None:
            equip(engine.sync_engine)
    listeners.add_theirs(engine.sync_engine)
    pool = engine.sync_engine.pool
    if isinstance(pool, FairPool):
        pool.watch_server(server, options.patience)
    return engine


def _listen(
    engine: Engine,
    target: Target,
    access: Access,
    options: EngineOptions,
    *,
    server: Server,
    listeners: Listeners,
) -> None:
    timeout = options.lock_timeout
    backend_of(engine.dialect).prepare(engine.dialect)
    open_connections(engine, server, access)
    report_statement_errors(engine, access, server)
    if access is Access.WRITE:
        refuse_lost_commits(engine)
        note_refusals(engine, server)
    reset_on_return(engine, lambda: not listeners.has_for_openings(engine))
    silence_driver(target.driver)
    set_session(engine, target, access, timeout)
    keep_alive(engine, target.keepalives)
    if target.driver == "psycopg":
        read_far_moments(engine)
    if access is Access.READ:
        check_reader(engine, target, options)
        repeat_failures(engine)
    if options.pooler is None:
        # Behind a pooler nobody knows on which server connection a statement was.
        note_traces(engine)
    if target.backend.is_file and target.driver != "ormolu":
        is_writer = access is Access.WRITE
        prepare_connections(engine, is_writer=is_writer, timeout=timeout)
    elif target.backend.is_file:
        share_limit(engine)
    else:
        ping_idle_connections(engine, server)
        kill_abandoned(engine, server)
        leave_soon(engine)
        cut_silent_connections(engine, server)
