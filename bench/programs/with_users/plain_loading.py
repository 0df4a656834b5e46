"""Plain code by hand, in which the caller's account is loaded, in the request's session."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException

from bench.programs.with_users.caller import UNKNOWN, Caller, Me
from bench.programs.with_users.plain_models import Account
from bench.programs.with_users.plain_notes import make_router
from bench.programs.with_users.plain_session import Session, lifespan


async def load_caller(me: Me, db: Session) -> Caller:
    account = await db.get(Account, me.id)
    if account is None:
        raise HTTPException(status_code=401, detail=UNKNOWN)
    return Caller(id=account.id, tenant_id=account.tenant_id)


app = FastAPI(lifespan=lifespan)
app.include_router(make_router(load_caller))
