"""Many rows at once, and a line about it in the other database."""

import csv
import io
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Request
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.tracker.access import OwnerDep
from examples.tracker.models import Entry, Project, Task
from ormolu import Database, SessionDep


def make_router(archive: Database) -> APIRouter:
    """Return the routes that need the second database."""
    router = APIRouter(tags=["imports"])
    archive_session: TypeAlias = Annotated[AsyncSession, Depends(archive.session)]

    @router.post("/projects/{project_id}/import", status_code=201)
    async def import_tasks(
        project_id: int,
        request: Request,
        boss: OwnerDep,
        session: SessionDep,
        log: archive_session,
    ) -> int:
        tenant_id = boss.tenant_id
        own = select(Project.id).where(Project.id == project_id, Project.tenant_id == tenant_id)
        (await session.scalars(own)).one()
        shared = {"tenant_id": tenant_id, "project_id": project_id, "version": 1}
        lines = csv.DictReader(io.StringIO((await request.body()).decode()))
        rows = [{"title": each["title"], "minutes": int(each["minutes"])} for each in lines]
        if rows:
            await session.execute(insert(Task), [row | shared for row in rows])
        log.add(Entry(tenant_id=tenant_id, what=f"imported {len(rows)}"))
        return len(rows)

    @router.get("/log")
    async def entries(boss: OwnerDep, log: archive_session) -> list[str]:
        query = select(Entry.what).where(Entry.tenant_id == boss.tenant_id).order_by(Entry.id)
        return list(await log.scalars(query))

    return router
