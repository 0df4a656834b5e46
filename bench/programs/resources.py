"""The whole API as a resource."""

from __future__ import annotations

from fastapi import FastAPI

from bench.programs.ormolu_model import Post, User
from ormolu import Database, resource

app = FastAPI()
Database().attach(app)
posts = resource(Post)
app.include_router(resource(User, includes={"posts": posts}))
app.include_router(posts)
