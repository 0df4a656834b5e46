"""FastAPI with the same dependency and response models, which asks no database: the floor."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException

from bench import _notes as notes
from bench._callers import TENANTS
from bench.programs.with_users.caller import Me
from bench.programs.with_users.schemas import NoteChange, NoteIn, NoteOut, NoteWithRelations

_PAGES = {tenant: notes.newest(tenant) for tenant in range(1, TENANTS + 1)}
_RELATED = {tenant: notes.newest_with_relations(tenant) for tenant in _PAGES}

app = FastAPI()


@app.get("/notes/related", response_model=list[NoteWithRelations])
async def list_with_relations(me: Me, limit: int = 20) -> list[dict[str, Any]]:
    return _RELATED[me.tenant_id][:limit]


@app.get("/notes/{note_id}", response_model=NoteOut)
async def read_note(note_id: int, me: Me) -> dict[str, Any]:
    return _get(note_id, me)


@app.get("/notes", response_model=list[NoteOut])
async def list_notes(me: Me, status: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    return _PAGES[me.tenant_id][:limit]


@app.post("/notes", response_model=NoteOut, status_code=201)
async def create_note(note_in: NoteIn, me: Me) -> dict[str, Any]:
    return {"id": 1, "tenant_id": me.tenant_id, **note_in.model_dump()}


@app.patch("/notes/{note_id}", response_model=NoteOut)
async def change_note(note_id: int, change: NoteChange, me: Me) -> dict[str, Any]:
    return {**_get(note_id, me), **change.model_dump(exclude_unset=True)}


def _get(note_id: int, me: Me) -> dict[str, Any]:
    note = notes.note(note_id)
    if note["tenant_id"] != me.tenant_id:
        raise HTTPException(status_code=404, detail="Note not found")
    return note
