"""Whether a database can serve: by its file, its answers, and what became of the last writes.

To answer is not enough: a node without its cluster, a demoted primary and a full disk answer, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ormolu.backends import Unreadiness, backend_of
from ormolu.engines._condition import identity_of
from ormolu.engines._engines import Engines
from ormolu.engines._pair import EnginePair
from ormolu.engines._pool import pools_of
from ormolu.engines._schema import prepare_schema
from ormolu.errors import OverloadedError, SchemaMismatchError

__all__ = ["describe_pools", "describe_replicas", "examine"]

# Seconds within which the tables of another file are compared.
_SCHEMA_TIMEOUT = 1.0

_REFUSALS: Mapping[str, Unreadiness] = {
    "read_only_database": "read_only", "storage_full": "disk_full",
}  # fmt: skip


async def examine(
    engines: Engines, ping: Callable[[], Awaitable[None]]
) -> Mapping[str, Unreadiness | None]:
    """Return what keeps a database from serving, for each thing that was looked at.

    Waits in no line: that all connections are in use is no answer to whether they work.

    Args:
        engines: The database.
        ping: Asks it for a sign of life, and opens it before.
    """
    found: dict[str, Unreadiness | None] = {}
    if _is_gone(engines.current):
        return {"file": "file_gone"}
    try:
        await ping()
        pair = engines.opened
        found["connection"] = None
        if pair.server.file is not None:
            await _look_at_file(engines, pair)
            found["file"] = None
        found["writes"] = await _ask_writer(pair)
    except SchemaMismatchError:
        found["file"] = "file_replaced"
    except Exception:
        found["connection"] = "unreachable"
    return found


def _is_gone(pair: EnginePair | None) -> bool:
    return (
        pair is not None and pair.server.file is not None and identity_of(pair.server.file) is None
    )


async def _look_at_file(engines: Engines, pair: EnginePair) -> None:
    """Look whether the file in its place has the tables, if it is another one.

    Raises:
        SchemaMismatchError: It has not.
    """
    condition = pair.server.condition
    identity = identity_of(pair.server.file)
    if identity != condition.identity:
        # Those lead to the file that was there before.
        await pair.dispose()
        if engines.schema != "ignore":
            await prepare_schema(
                pair.reader, pair.writer, engines.metadata, "verify", _SCHEMA_TIMEOUT
            )
        condition.identity = identity


async def _ask_writer(pair: EnginePair) -> Unreadiness | None:
    """Return why nothing can be written; None if it can, or nobody means to write."""
    condition = pair.server.condition
    refusal = condition.refusal
    backend = backend_of(pair.writer.dialect)
    if backend.is_file:
        return None if refusal is None else _REFUSALS[refusal]
    try:
        async with pair.server.answering(may_wait=False), pair.writer.connect() as connection:
            found = await backend.why_not_ready(connection)
            if found == "read_only" and condition.is_for_changes:
                # To a primary that was demoted; another one may lead to the one of now.
                await connection.invalidate()
    except OverloadedError:
        return None
    if found is None:
        condition.is_for_changes = True
    elif found == "read_only" and not condition.is_for_changes:
        return None
    return found or ("disk_full" if refusal == "storage_full" else None)


def describe_pools(engines: Engines) -> Mapping[str, Mapping[str, int]]:
    """Return how many connections of the running loop are used, by their pool."""
    pair = engines.current
    if pair is None:
        return {}
    named = {"reader": pools_of([pair.reader]), "writer": pools_of([pair.writer])}
    return {name: pool.use for name, pools in named.items() for pool in pools}


def describe_replicas(engines: Engines) -> Sequence[Mapping[str, Any]]:
    """Return whether each replica of the running loop is read from, and its lag in seconds."""
    replicas = engines.replicas
    found = [] if replicas is None else replicas.all
    return [
        {"read": replicas is not None and replicas.is_read(each), "lag": round(each.lag, 3)}
        for each in found
    ]
