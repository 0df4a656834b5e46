"""Columns called like the slots of a plan are columns: their values are nobody's key or policy."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.orm import registry

from ormolu import Database, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("sqlite", "asyncpg")]

NAMES = ("policy 0", "key 0", "expected version", "keys", "column x", "after 0", "longest")
table = Table(
    "slot_sheets", MetaData(), Column("id", Integer, primary_key=True),
    Column("tenant", Integer), Column("x", String(9)), Column("version", Integer, nullable=False),
    *(Column(name, Integer) for name in NAMES),
)  # fmt: skip


class Sheet:
    """A table as a spreadsheet's, with columns of any name."""


registry().map_imperatively(Sheet, table, version_id_col=table.c.version)


async def own(x_tenant: Annotated[int, Header()]) -> Policy:
    return Policy(visible=table.c.tenant == x_tenant)


@pytest.mark.long
@pytest.mark.parametrize("policy", [own, None])
async def test_each_name(database_url: str, policy: Any) -> None:
    """Nobody's row is changed but one's own, and each value is where it was sent."""
    app = FastAPI()
    Database(database_url, metadata=table.metadata).attach(app)
    app.include_router(resource(Sheet, path="/sheets", policy=policy, writable={"id"}))
    async with client_of(app) as client:
        for number in (1, 2):
            body = {"id": number, "tenant": number, "x": "x", **dict.fromkeys(NAMES, 9)}
            made = await client.post("/sheets", json=body, headers={"X-Tenant": str(number)})
            assert made.json() == body | {"version": 1}
        client.headers["X-Tenant"] = "1"
        for name in NAMES:
            changed = await client.patch("/sheets/1", json={name: 2})
            assert changed.json()[name] == 2
            tag = {"If-Match": changed.headers["etag"]}
            assert (await client.patch("/sheets/1", json={name: 7}, headers=tag)).json()[name] == 7
            refused = await client.patch("/sheets/2", json={name: 2})
            assert refused.status_code == (200 if policy is None else 404)
