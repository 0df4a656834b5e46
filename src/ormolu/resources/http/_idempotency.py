"""Idempotency-Key: the first answer is stored in the transaction of its write, and returned again.

Draft 07 of the IETF's httpapi group. The key is inserted first, so that a second request waits for
it. It is committed together with the write, so neither exists without the other.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.backends import backend_of
from ormolu.errors import RefusedError
from ormolu.faults import fault_of
from ormolu.models import UTCDateTime
from ormolu.resources.http._answers import raw_headers
from ormolu.web import Reply

__all__ = ["Attempt", "begin", "finish", "idempotency_table", "payload_of", "read_key"]

TABLE = "ormolu_idempotency"
_LIFETIME = timedelta(hours=24)
_MAX_KEY = 255
_PURGED_ONE_IN = 100


@dataclass(frozen=True)
class Attempt:
    """A request that holds its key."""

    table: sa.Table
    scope: str
    key: str


def idempotency_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of the keys, in the metadata of the models."""
    if TABLE in metadata.tables:
        return metadata.tables[TABLE]
    return sa.Table(
        TABLE,
        metadata,
        sa.Column("scope", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary(2**24 - 1)),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Index("ix_ormolu_idempotency_created_at", "created_at"),
    )


def read_key(header: str) -> str:
    """Return the key in a header.

    Raises:
        RefusedError: It is empty, too long, or not plain text.
    """
    key = header.strip().strip('"')
    if not key or len(key) > _MAX_KEY or not key.isascii() or not key.isprintable():
        message = f"Idempotency-Key must have 1 to {_MAX_KEY} printable ASCII characters"
        entry = {"loc": ["header", "idempotency-key"], "type": "idempotency_key", "msg": message}
        raise RefusedError("validation_error", message, [entry])
    return key


async def begin(
    session: AsyncSession, table: sa.Table, scope: str, key: str, payload: bytes
) -> Attempt | Reply:
    """Take a key for this request, or return the stored answer.

    Args:
        session: Session of the write.
        table: From `idempotency_table`.
        scope: The client and the route, for each of which a key is another one.
        key: What the client sent.
        payload: What must be the same whenever the key is.

    Raises:
        RefusedError: The key was used for something else, or its first request still runs.
    """
    # A digest, since MariaDB ignores case when it compares text.
    key = hashlib.sha256(key.encode()).hexdigest()
    scope = hashlib.sha256(scope.encode()).hexdigest()
    fingerprint = hashlib.sha256(payload).hexdigest()
    now = datetime.now(UTC)
    values = {"scope": scope, "key": key, "fingerprint": fingerprint, "created_at": now}
    is_mine = (table.c.scope == scope) & (table.c.key == key)
    try:
        async with session.begin_nested():
            await session.execute(sa.insert(table).values(values))
    except DBAPIError as error:
        fault = fault_of(error)
        waited = fault.kind == "busy" and not fault.is_lost_race
        if waited and backend_of(session.get_bind().dialect).locks_rows:
            raise _in_flight() from None
        if fault.kind != "unique_violation":
            raise
    else:
        return Attempt(table, scope, key)
    # In InnoDB only a locking read sees what was committed since the snapshot.
    found = sa.select(table).where(is_mine).with_for_update(read=True)
    kept = (await session.execute(found)).one_or_none()
    if kept is None or kept.status is None:
        raise _in_flight()
    if kept.created_at < now - _LIFETIME:
        await session.execute(sa.update(table).where(is_mine).values(**values, status=None))
        return Attempt(table, scope, key)
    if kept.fingerprint != fingerprint:
        message = "This Idempotency-Key was used for another request."
        raise RefusedError("idempotency_key_reused", message)
    headers = {**json.loads(kept.headers), "idempotency-replayed": "true"}
    return Reply(kept.status, raw_headers(headers), kept.body)


async def finish(session: AsyncSession, attempt: Attempt, reply: Reply) -> None:
    """Store the answer with the key; both are committed with the write.

    Now and then delete expired keys.
    """
    table = attempt.table
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    await session.execute(
        sa.update(table)
        .where((table.c.scope == attempt.scope) & (table.c.key == attempt.key))
        .values(status=reply.status, headers=json.dumps(headers), body=reply.body)
    )
    if random.randrange(_PURGED_ONE_IN) == 0:
        await _purge(session, table)


async def _purge(session: AsyncSession, table: sa.Table) -> None:
    # Purge last: InnoDB's gap locks last until COMMIT, and purging first could deadlock with the
    # holder of a key.
    old = (
        sa.select(table.c.scope, table.c.key)
        .where(table.c.created_at < datetime.now(UTC) - _LIFETIME)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    for scope, key in (await session.execute(old)).all():
        await session.execute(
            sa.delete(table).where((table.c.scope == scope) & (table.c.key == key))
        )


def _in_flight() -> RefusedError:
    return RefusedError("in_flight", "The first request with this Idempotency-Key still runs.")


def payload_of(parts: Mapping[str, Any], body: bytes) -> bytes:
    """Return what makes two requests the same."""
    return json.dumps(parts, sort_keys=True).encode() + b"\0" + body
