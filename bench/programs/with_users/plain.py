"""Plain code by hand, in which the token says all that is known of the caller."""

from __future__ import annotations

from fastapi import FastAPI

from bench.programs.with_users.caller import read_caller
from bench.programs.with_users.plain_notes import make_router
from bench.programs.with_users.plain_session import lifespan

app = FastAPI(lifespan=lifespan)
app.include_router(make_router(read_caller))
