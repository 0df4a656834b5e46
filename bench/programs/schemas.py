"""What goes in and out, the same for every program that writes its schemas by hand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class UserIn(BaseModel):
    name: str


class UserChange(BaseModel):
    name: str | None = None


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str


class PostOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    title: str
    user_id: int


class UserWithPosts(UserOut):
    posts: list[PostOut]
