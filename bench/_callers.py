"""Who calls an application with users: each has a tenant, and a token that says so."""

from __future__ import annotations

import jwt

__all__ = ["ALGORITHM", "CALLERS", "KEY", "TENANTS", "tenant_of", "token"]

ALGORITHM = "HS256"
KEY = "the key of the benchmark's tokens"
CALLERS = 100
TENANTS = 4


def tenant_of(number: int) -> int:
    """Return the tenant of the caller, or of the note, with a number."""
    return number % TENANTS + 1


def token(caller: int) -> str:
    """Return what a caller sends in the Authorization header."""
    claims = {"sub": str(caller), "tenant_id": tenant_of(caller)}
    return jwt.encode(claims, KEY, algorithm=ALGORITHM)
