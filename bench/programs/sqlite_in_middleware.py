"""One statement of sqlite3's a request, in a middleware of FastAPI's: the floor of it all.

Nothing is checked: neither the request, nor whether its route is FastAPI's, nor how long it takes.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine, make_url
from starlette.types import ASGIApp

from bench.programs.plain_model import Base

_URL = make_url(os.environ["DATABASE_URL"])

_USER = "json_object('id', id, 'name', name)"
_POINT = f"SELECT {_USER} FROM users WHERE id = ?"
_LIST = f"SELECT json_group_array({_USER}) FROM (SELECT * FROM users ORDER BY id LIMIT ?)"
_POST = "json_object('id', id, 'title', title, 'user_id', user_id)"
_POSTS = f"SELECT json_group_array({_POST}) FROM posts WHERE user_id = users.id"
_INCLUDE = _POINT.replace("name)", f"name, 'posts', ({_POSTS}))")
_PATCH = f"UPDATE users SET name = ?2 WHERE id = ?1 RETURNING {_USER}"
_CREATE = f"INSERT INTO users (name) VALUES (?) RETURNING {_USER}"


class _Answers:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._sqlite: sqlite3.Connection | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, statement, arguments = await _choose(scope, receive)
        ((text,),) = self._connect().execute(statement, arguments).fetchall()
        body = text.encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _connect(self) -> sqlite3.Connection:
        if self._sqlite is None:
            self._sqlite = sqlite3.connect(_URL.database or "", isolation_level=None)
            self._sqlite.execute("PRAGMA journal_mode = WAL")
        return self._sqlite


async def _choose(scope: Any, receive: Any) -> tuple[int, str, tuple[Any, ...]]:
    _, _, key, *more = scope["path"].split("/")
    if scope["method"] != "GET":
        name = json.loads((await receive())["body"])["name"]
        return (200, _PATCH, (int(key), name)) if key else (201, _CREATE, (name,))
    if key:
        return 200, _INCLUDE if more else _POINT, (int(key),)
    return 200, _LIST, (int(scope["query_string"].rpartition(b"=")[2]),)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    engine = create_engine(_URL)
    Base.metadata.create_all(engine)
    engine.dispose()
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(_Answers)
