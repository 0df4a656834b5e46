"""Good plain code by hand: a dependency for who calls, `where(tenant)`, response models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from bench.programs.with_users.caller import Caller
from bench.programs.with_users.plain_models import Note
from bench.programs.with_users.plain_session import Session
from bench.programs.with_users.schemas import NoteChange, NoteIn, NoteOut, NoteWithRelations


def make_router(caller: Callable[..., Awaitable[Caller]]) -> APIRouter:
    """Return the endpoints; `caller` is the dependency that says who calls."""
    router, asked = APIRouter(), Depends(caller)

    @router.get("/notes/related", response_model=list[NoteWithRelations])
    async def list_with_relations(
        db: Session, limit: int = 20, me: Caller = asked
    ) -> Sequence[Note]:
        loaded = selectinload(Note.author), selectinload(Note.tags)
        return (await db.execute(_newest(me, limit).options(*loaded))).scalars().all()

    @router.get("/notes/{note_id}", response_model=NoteOut)
    async def read_note(note_id: int, db: Session, me: Caller = asked) -> Note:
        return await _get(note_id, db, me)

    @router.get("/notes", response_model=list[NoteOut])
    async def list_notes(
        db: Session, status: str | None = None, limit: int = 20, me: Caller = asked
    ) -> Sequence[Note]:
        statement = _newest(me, limit)
        if status is not None:
            statement = statement.where(Note.status == status)
        return (await db.execute(statement)).scalars().all()

    @router.post("/notes", response_model=NoteOut, status_code=201)
    async def create_note(note_in: NoteIn, db: Session, me: Caller = asked) -> Note:
        note = Note(**note_in.model_dump(), tenant_id=me.tenant_id)
        db.add(note)
        await db.commit()
        await db.refresh(note)
        return note

    @router.patch("/notes/{note_id}", response_model=NoteOut)
    async def change_note(
        note_id: int, change: NoteChange, db: Session, me: Caller = asked
    ) -> Note:
        note = await _get(note_id, db, me)
        for name, value in change.model_dump(exclude_unset=True).items():
            setattr(note, name, value)
        await db.commit()
        await db.refresh(note)
        return note

    return router


def _newest(me: Caller, limit: int) -> Select[Note]:
    own = select(Note).where(Note.tenant_id == me.tenant_id)
    return own.order_by(Note.id.desc()).limit(limit)


async def _get(note_id: int, db: AsyncSession, me: Caller) -> Note:
    statement = select(Note).where(Note.id == note_id, Note.tenant_id == me.tenant_id)
    note = (await db.execute(statement)).scalars().first()
    if note is None:
        raise HTTPException(status_code=404, detail="Note not found")
    return note
