"""Ordinary FastAPI endpoints on Ormolu's SessionDep, with the conditions written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, HTTPException
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from bench.programs.with_users.caller import Caller, Me
from bench.programs.with_users.ormolu_models import Note
from bench.programs.with_users.schemas import NoteChange, NoteIn, NoteOut, NoteWithRelations
from ormolu import Database, SessionDep

app = FastAPI()
Database().attach(app)


@app.get("/notes/related", response_model=list[NoteWithRelations])
async def list_with_relations(me: Me, session: SessionDep, limit: int = 20) -> Sequence[Note]:
    loaded = selectinload(Note.author), selectinload(Note.tags)
    return (await session.scalars(_newest(me, limit).options(*loaded))).all()


@app.get("/notes/{note_id}", response_model=NoteOut)
async def read_note(note_id: int, me: Me, session: SessionDep) -> Note:
    return await _get(note_id, me, session)


@app.get("/notes", response_model=list[NoteOut])
async def list_notes(
    me: Me, session: SessionDep, status: str | None = None, limit: int = 20
) -> Sequence[Note]:
    statement = _newest(me, limit)
    if status is not None:
        statement = statement.where(Note.status == status)
    return (await session.scalars(statement)).all()


@app.post("/notes", response_model=NoteOut, status_code=201)
async def create_note(note_in: NoteIn, me: Me, session: SessionDep) -> Note:
    note = Note(**note_in.model_dump(), tenant_id=me.tenant_id)
    session.add(note)
    await session.flush()
    return note


@app.patch("/notes/{note_id}", response_model=NoteOut)
async def change_note(note_id: int, change: NoteChange, me: Me, session: SessionDep) -> Note:
    note = await _get(note_id, me, session)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(note, name, value)
    return note


def _newest(me: Caller, limit: int) -> Select[Note]:
    own = select(Note).where(Note.tenant_id == me.tenant_id)
    return own.order_by(Note.id.desc()).limit(limit)


async def _get(note_id: int, me: Caller, session: AsyncSession) -> Note:
    statement = select(Note).where(Note.id == note_id, Note.tenant_id == me.tenant_id)
    note = (await session.scalars(statement)).first()
    if note is None:
        raise HTTPException(status_code=404, detail="Note not found")
    return note
