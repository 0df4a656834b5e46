"""Who calls, from a JWT in the Authorization header: the dependency of every program here."""

from __future__ import annotations

from typing import Annotated

import jwt
from fastapi import Depends, Header, HTTPException
from pydantic import BaseModel

from bench._callers import ALGORITHM, KEY

UNKNOWN = "Who you are is not known"


class Caller(BaseModel):
    id: int
    tenant_id: int


async def read_caller(authorization: Annotated[str, Header()]) -> Caller:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise HTTPException(status_code=401, detail=UNKNOWN) from error
    return Caller(id=int(claims["sub"]), tenant_id=claims["tenant_id"])


Me = Annotated[Caller, Depends(read_caller)]
