"""Tests of the project that leave something behind; each has an error at its end."""

from __future__ import annotations

import asyncio
import threading

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ormolu import Database

_OVER = threading.Event()
KEPT: list[object] = []


async def test_connection(client: httpx2.AsyncClient, database: Database) -> None:
    connection = await database.engine.connect()
    KEPT.append(connection)
    await connection.execute(text("SELECT 1"))


async def test_task(session: AsyncSession) -> None:
    KEPT.append(asyncio.create_task(asyncio.sleep(60), name="sleeper"))


def test_thread(database: Database) -> None:
    threading.Thread(target=_OVER.wait, args=(2,), name="waiter").start()


async def test_nothing(client: httpx2.AsyncClient, session: AsyncSession) -> None:
    await session.execute(text("SELECT 1"))
    await client.get("/towns")
