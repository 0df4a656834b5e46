"""The notes as a resource without a policy, behind a router that asks who calls."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from bench.programs.with_users.caller import read_caller
from bench.programs.with_users.ormolu_models import Author, Note, Tag
from ormolu import Database, resource

app = FastAPI()
Database().attach(app)
guarded = APIRouter(dependencies=[Depends(read_caller)])
guarded.include_router(resource(Note, includes={"author": resource(Author), "tags": resource(Tag)}))
app.include_router(guarded)
