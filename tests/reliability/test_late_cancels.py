"""A server that takes long to admit a request to cancel: the statement ends all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf

import pytest
from fastapi import FastAPI
from sqlalchemy import make_url

from tests.fixtures.backends import Backend
from tests.reliability._proxy import Proxy
from tests.reliability._slow import Client, Slow, add_routes, slow_app

pytestmark = pytest.mark.backends("asyncpg", "psycopg", "mariadb")


def _add(app: FastAPI) -> None:
    add_routes(app, inf)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    port = make_url(database_url).port
    assert port is not None
    opened = Proxy(port)
    yield opened
    opened.close()


@pytest.fixture
async def slow(backend: Backend, database_url: str, proxy: Proxy) -> AsyncIterator[Slow]:
    through = make_url(database_url).set(port=await proxy.start())
    url = through.render_as_string(hide_password=False)
    async with slow_app(backend, database_url, _add, through=url) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/read", b""),
        ("POST", "/write", b""),
        ("GET", "/slow/1", b""),
        ("POST", "/jobs", b'{"name":"slow"}'),
    ],
)
async def test_statement_ends_once_the_server_can_be_asked(
    slow: Slow, proxy: Proxy, method: str, path: str, body: bytes
) -> None:
    """The request is over before that; its statement ends, and stores nothing."""
    await slow.assert_well()
    stored = await slow.stored()
    client = Client(slow.app, method, path, body)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.run())
        await slow.wait_for(1)
        proxy.admits.clear()
        client.leave()
    proxy.admits.set()
    await slow.wait_for(0)
    assert await slow.stored() == stored
    await slow.assert_well()
