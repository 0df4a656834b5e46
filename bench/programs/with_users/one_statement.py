"""FastAPI with the same dependency, and one statement of the driver's: the floor with a database.

The database makes the JSON, and nothing is checked of it. sqlite3 holds the event loop meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException, Response
from sqlalchemy import URL, create_engine, make_url

from bench.programs.with_users.caller import Me
from bench.programs.with_users.plain_models import Base
from bench.programs.with_users.schemas import NoteChange, NoteIn

_URL = make_url(os.environ["DATABASE_URL"])
_IS_SQLITE = _URL.get_backend_name() == "sqlite"


def _object(*columns: str, **others: str) -> str:
    pairs = [f"'{each}', {each}" for each in columns]
    pairs += [f"'{name}', ({sql})" for name, sql in others.items()]
    return f"{'json_object' if _IS_SQLITE else 'json_build_object'}({', '.join(pairs)})"


def _array(item: str, rows: str) -> str:
    gather = "json_group_array" if _IS_SQLITE else "json_agg"
    return f"SELECT coalesce({gather}({item}), '[]') FROM ({rows}) AS found"


_COLUMNS = ("id", "tenant_id", "author_id", "title", "status", "body")
_NOTE = _object(*_COLUMNS)
_AUTHOR = f"SELECT {_object('id', 'name')} FROM authors WHERE authors.id = found.author_id"
_TAGS = _array(
    _object("id", "note_id", "name"), "SELECT * FROM tags WHERE note_id = found.id ORDER BY id"
).replace("AS found", "AS tag")
_NEWEST = "SELECT * FROM notes WHERE tenant_id = $1{} ORDER BY id DESC LIMIT $2"
_READ = f"SELECT {_NOTE} FROM notes WHERE id = $1 AND tenant_id = $2"
_LIST = _array(_NOTE, _NEWEST.format(" AND status = $3"))
_RELATED = _array(_object(*_COLUMNS, author=_AUTHOR, tags=_TAGS), _NEWEST.format(""))
_CREATE = (
    "INSERT INTO notes (title, author_id, status, body, tenant_id) "
    f"VALUES ($1, $2, $3, $4, $5) RETURNING {_NOTE}"
)


class _SQLite:
    def __init__(self, url: URL) -> None:
        self._sqlite = sqlite3.connect(url.database or "", isolation_level=None)
        self._sqlite.execute("PRAGMA journal_mode = WAL")

    async def fetch(self, statement: str, *values: Any) -> Any:
        rows = self._sqlite.execute(statement.replace("$", "?"), values).fetchall()
        return rows[0][0] if rows else None

    async def close(self) -> None:
        self._sqlite.close()


class _PostgreSQL:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self.fetch = pool.fetchval
        self.close = pool.close


_Opened = _SQLite | _PostgreSQL


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine = create_engine(_URL.set(drivername="sqlite" if _IS_SQLITE else "postgresql+psycopg"))
    Base.metadata.create_all(engine)
    engine.dispose()
    app.state.database = await _open()
    yield
    await app.state.database.close()


async def _open() -> _Opened:
    if _IS_SQLITE:
        return _SQLite(_URL)
    dsn = _URL.set(drivername="postgresql").render_as_string(hide_password=False)
    return _PostgreSQL(await asyncpg.create_pool(dsn))


app = FastAPI(lifespan=lifespan)


async def _answer(statement: str, *values: Any, status: int = 200) -> Response:
    text = await app.state.database.fetch(statement, *values)
    if text is None:
        raise HTTPException(status_code=404, detail="Note not found")
    return Response(text, status_code=status, media_type="application/json")


@app.get("/notes/related")
async def list_with_relations(me: Me, limit: int = 20) -> Response:
    return await _answer(_RELATED, me.tenant_id, limit)


@app.get("/notes/{note_id}")
async def read_note(note_id: int, me: Me) -> Response:
    return await _answer(_READ, note_id, me.tenant_id)


@app.get("/notes")
async def list_notes(me: Me, status: str, limit: int = 20) -> Response:
    return await _answer(_LIST, me.tenant_id, limit, status)


@app.post("/notes")
async def create_note(note_in: NoteIn, me: Me) -> Response:
    note = note_in.model_dump()
    values = (note[name] for name in ("title", "author_id", "status", "body"))
    return await _answer(_CREATE, *values, me.tenant_id, status=201)


@app.patch("/notes/{note_id}")
async def change_note(note_id: int, change: NoteChange, me: Me) -> Response:
    changes = change.model_dump(exclude_unset=True)
    assigned = ", ".join(f"{name} = ${place}" for place, name in enumerate(changes, 3))
    statement = f"UPDATE notes SET {assigned} WHERE id = $1 AND tenant_id = $2 RETURNING {_NOTE}"
    return await _answer(statement, note_id, me.tenant_id, *changes.values())
