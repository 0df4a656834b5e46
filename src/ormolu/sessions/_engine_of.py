"""The engine behind a session, which a unit of work opens with its first statement."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu.sessions._session import UnitSession

__all__ = ["engine_of"]


async def engine_of(session: AsyncSession) -> Engine:
    """Return the engine that a session's statements go to."""
    if isinstance(session, UnitSession):
        await session.take_connection()
    bind = session.get_bind()
    return bind if isinstance(bind, Engine) else bind.engine
