"""The programs that guides teach, as functions: what the tests show to be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)


@dataclass
class Guide:
    """An engine and a session factory at module level, and a dependency that commits."""

    app: FastAPI
    engine: AsyncEngine
    maker: async_sessionmaker[AsyncSession]
    get_db: Callable[[], AsyncIterator[AsyncSession]]


def make_guide(url: str, metadata: MetaData, **options: Any) -> Guide:
    """Return the guide's program: an application, an engine, `get_db`."""
    engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"), **options)
    maker = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield
        await engine.dispose()

    async def get_db() -> AsyncIterator[AsyncSession]:
        async with maker() as session:
            yield session
            await session.commit()

    return Guide(app=FastAPI(lifespan=lifespan), engine=engine, maker=maker, get_db=get_db)
