"""FastAPI alone: endpoints with a response_model that ask no database."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from bench import _content as content
from bench.programs.schemas import UserChange, UserIn, UserOut, UserWithPosts

app = FastAPI()


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: int) -> dict[str, Any]:
    return content.user(user_id)


@app.get("/users/", response_model=list[UserOut])
async def list_users(limit: int = 100) -> list[dict[str, Any]]:
    return content.users(limit)


@app.post("/users/", response_model=UserOut, status_code=201)
async def create_user(user_in: UserIn) -> dict[str, Any]:
    return {"id": 1, "name": user_in.name}


@app.patch("/users/{user_id}", response_model=UserOut)
async def change_user(user_id: int, change: UserChange) -> dict[str, Any]:
    return {"id": user_id, "name": change.name}


@app.get("/users/{user_id}/posts", response_model=UserWithPosts)
async def read_user_with_posts(user_id: int) -> dict[str, Any]:
    return content.user_with_posts(user_id)
