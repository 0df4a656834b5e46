"""What goes in and out, the same for every program that writes its schemas by hand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NoteIn(BaseModel):
    title: str
    author_id: int
    status: str = "open"
    body: str = ""


class NoteChange(BaseModel):
    title: str | None = None
    status: str | None = None
    body: str | None = None


class NoteOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    tenant_id: int
    author_id: int
    title: str
    status: str
    body: str


class AuthorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str


class TagOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    note_id: int
    name: str


class NoteWithRelations(NoteOut):
    author: AuthorOut
    tags: list[TagOut]
