"""Bytes are values, whatever the mode and the character set of a MySQL session are.

asyncmy writes them into the statement, escaped by backslashes.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import ConfigurationError, Database, Policy, resource
from tests.fixtures.apps import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.backends("mariadb")]

MODE = "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES,ANSI_QUOTES')"
BYTES = [b"a'b", b"' OR 1=1 -- ", b"\\' OR 1=1 -- ", b"a\\b", b"\x00\xff\xbf'", b'"', b"\\"]


class Base(DeclarativeBase):
    metadata = MetaData()


class Blob(Base):
    __tablename__ = "blobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(20), server_default="a\\b")
    data: Mapped[bytes] = mapped_column(LargeBinary(50))


def mine() -> Policy:
    """A quote in a value must not end what stands behind it: the policy."""
    return Policy(visible=Blob.owner == "a\\b")


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server whose own mode has no backslash escapes."""
    app = FastAPI()
    db = Database(database_url, metadata=Base.metadata, connect_args={"init_command": MODE})
    db.attach(app)
    app.include_router(resource(Blob, policy=mine, path="/blobs", writable={"owner"}))
    async with client_of(app) as found:
        yield found


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


@pytest.mark.parametrize("raw", BYTES, ids=repr)
async def test_bytes_are_stored_and_found(client: httpx2.AsyncClient, raw: bytes) -> None:
    """They come back as they are, and a filter by them finds only them."""
    for each in (b"other", raw):
        answer = await client.post("/blobs", json={"data": encoded(each)})
        assert answer.status_code == 201, answer.text
    assert base64.urlsafe_b64decode(answer.json()["data"]) == raw
    found = (await client.get("/blobs", params={"data": encoded(raw)})).json()["items"]
    assert [each["id"] for each in found] == [2]


async def test_text_is_written_as_the_session_reads_it(client: httpx2.AsyncClient) -> None:
    """SQLAlchemy doubles backslashes by the mode that it sees: in the default of a column, say."""
    await client.post("/blobs", json={"data": encoded(b"x")})
    assert (await client.get("/blobs/1")).json()["owner"] == "a\\b"
    found = (await client.get("/blobs", params={"owner": "a\\b"})).json()["items"]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("query", "options"),
    [("?charset=gbk", {}), ("?charset=big5", {}), ("", {"init_command": "SET NAMES gbk"})],
)
async def test_sets_that_take_a_backslash_are_refused(
    database_url: str, query: str, options: dict[str, str]
) -> None:
    """There a byte and the backslash behind it are one letter, and the quote is free."""
    db = Database(database_url + query, metadata=Base.metadata, connect_args=options)
    with pytest.raises(ConfigurationError, match="charset=utf8mb4"):
        await db.open()


async def test_sets_of_single_bytes_are_taken(database_url: str) -> None:
    """latin1 has no such letters."""
    async with Database(f"{database_url}?charset=latin1", metadata=Base.metadata) as db:
        await db.ping()
