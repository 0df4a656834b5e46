"""The notes as a resource whose policy shows to each caller those of its tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Depends

from bench.programs.with_users.caller import Caller
from bench.programs.with_users.ormolu_models import Author, Note, Tag
from ormolu import Policy, Resource, resource


def make_notes(caller: Callable[..., Awaitable[Caller]]) -> Resource:
    """Return the resource; `caller` is the dependency that says who calls."""
    asked = Depends(caller)

    async def own(me: Caller = asked) -> Policy:
        mine = Note.tenant_id == me.tenant_id
        return Policy(visible=mine, writable=mine, assign={"tenant_id": me.tenant_id})

    return resource(
        Note,
        policy=own,
        read_only={"tenant_id"},
        includes={"author": resource(Author), "tags": resource(Tag)},
    )
