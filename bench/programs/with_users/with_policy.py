"""The notes as a resource with a policy, in which the token says all of the caller."""

from __future__ import annotations

from fastapi import FastAPI

from bench.programs.with_users.caller import read_caller
from bench.programs.with_users.tenant_notes import make_notes
from ormolu import Database

app = FastAPI()
Database().attach(app)
app.include_router(make_notes(read_caller))
