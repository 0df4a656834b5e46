"""The notes as a resource with a policy that loads the caller's account."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException

from bench.programs.with_users.caller import UNKNOWN, Caller, Me
from bench.programs.with_users.ormolu_models import Account
from bench.programs.with_users.tenant_notes import make_notes
from ormolu import Database, ReadSessionDep


async def load_caller(me: Me, session: ReadSessionDep) -> Caller:
    account = await session.get(Account, me.id)
    if account is None:
        raise HTTPException(status_code=401, detail=UNKNOWN)
    return Caller(id=account.id, tenant_id=account.tenant_id)


app = FastAPI()
Database().attach(app)
app.include_router(make_notes(load_caller))
