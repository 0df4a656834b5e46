"""The servers that the suite stands on."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.backends import PgBouncer
from tests.fixtures.backends import Backend


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_server_keeps_its_data_over_a_restart(backend: Backend, database_url: str) -> None:
    """What was committed is there after a stop and a start."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER)"))
        await connection.execute(text("INSERT INTO t VALUES (7)"))
    backend.server.stop()
    backend.server.start()
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT id FROM t")) == 7


async def test_pooler_answers(pgbouncer: PgBouncer) -> None:
    """A statement goes through PgBouncer."""
    engine = create_async_engine(pgbouncer.url("postgres", "psycopg"), poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


@pytest.mark.backends("asyncpg", "mariadb")
async def test_server_outlives_the_thread_that_started_it(
    backend: Backend, database_url: str
) -> None:
    """A server that a worker thread started serves on when that thread has ended."""
    await asyncio.to_thread(backend.server.kill)
    await asyncio.to_thread(backend.server.start)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert backend.server.answers()


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_database_with_an_open_transaction_is_emptied(
    backend: Backend, database_url: str
) -> None:
    """A transaction that a test left open does not hold up the end of the test."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER)"))
    connection = await engine.connect()
    await connection.execute(text("SELECT * FROM t"))
    started = time.monotonic()
    backend.server.empty_database(connection.engine.url.database)
    assert time.monotonic() - started < 5
    async with engine.begin() as other:
        await other.execute(text("CREATE TABLE t (id INTEGER)"))
    await connection.invalidate()
    await connection.close()


_ABANDON = """
import sys, time, tests.backends
server = getattr(tests.backends, sys.argv[1])()
server.start()
print(server.port, server.folder, flush=True)
time.sleep(60)
"""


@pytest.mark.backends("asyncpg", "mariadb")
def test_server_ends_with_a_killed_test_run(backend: Backend) -> None:
    """No server is left behind by a test run that was killed with SIGKILL."""
    command = [sys.executable, "-c", _ABANDON, type(backend.server).__name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port, folder = run.stdout.readline().split()
        assert _is_listening(int(port))
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _is_listening(int(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_listening(int(port))
    shutil.rmtree(folder, ignore_errors=True)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
