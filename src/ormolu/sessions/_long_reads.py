"""A read of a session's, in its place among those that take long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.sessions._session import UnitSession

__all__ = ["in_its_place"]


@asynccontextmanager
async def in_its_place(session: AsyncSession, form: Hashable) -> AsyncIterator[None]:
    """Read within the block; before it, wait for a place if reads of this form take long.

    Args:
        session: Whose connection goes back for the time of the wait, if another one will do.
        form: What reads that take about as long have in common.

    Raises:
        OverloadedError: None came free in time.
    """
    if not isinstance(session, UnitSession) or not session.rules.is_read_only:
        yield
        return
    reads = (session.engines.current or await session.engines.open()).long_reads
    is_long = reads.is_long(form)
    if is_long:
        await session.let_go()
        await reads.enter()
    try:
        await session.take_connection()
        async with reads.timed(form):
            yield
    finally:
        if is_long:
            reads.leave()
