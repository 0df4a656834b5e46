"""What is computed of many rows: counts, ranks, a search in plain SQL, an export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import func, select, text

from examples.tracker.access import MemberDep
from examples.tracker.models import Project, Status, Task
from examples.tracker.tasks import tasks_of
from ormolu import SessionDep

router = APIRouter(tags=["reports"])


class Count(BaseModel):
    """How much there is of one status."""

    status: Status
    tasks: int
    minutes: int


@router.get("/tasks/stats")
async def stats(member: MemberDep, session: SessionDep) -> list[Count]:
    """Count tasks and minutes of each status."""
    mine = tasks_of(member).subquery()
    query = select(mine.c.status, func.count(), func.sum(mine.c.minutes))
    rows = await session.execute(query.group_by(mine.c.status).order_by(mine.c.status))
    return [Count(status=status, tasks=n, minutes=m) for status, n, m in rows]


class Standing(BaseModel):
    """A project among the others."""

    project: str
    minutes: int
    rank: int


@router.get("/projects/standings")
async def standings(member: MemberDep, session: SessionDep) -> list[Standing]:
    """Rank the projects by the minutes that were spent on them."""
    spent = func.coalesce(func.sum(Task.minutes), 0)
    query = (
        select(Project.name, spent, func.rank().over(order_by=spent.desc()))
        .outerjoin(Task, (Task.project_id == Project.id) & Task.deleted_at.is_(None))
        .where(Project.tenant_id == member.tenant_id)
        .group_by(Project.id, Project.name)
        .order_by(spent.desc(), Project.name)
    )
    rows = await session.execute(query)
    return [Standing(project=name, minutes=m, rank=rank) for name, m, rank in rows]


@router.get("/search")
async def search(
    member: MemberDep,
    session: SessionDep,
    words: Annotated[str, Query(max_length=50)],
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> list[int]:
    """Find tasks by their titles, 20 on a page."""
    query = (
        "SELECT id FROM tasks WHERE tenant_id = :tenant AND deleted_at IS NULL "
        "AND lower(title) LIKE :words ORDER BY id LIMIT 20 OFFSET :skip"
    )
    values = {"tenant": member.tenant_id, "words": f"%{words.lower()}%", "skip": 20 * (page - 1)}
    return list(await session.scalars(text(query), values))


@router.get("/export")
async def export(member: MemberDep, request: Request) -> StreamingResponse:
    """Stream all tasks as CSV; the stream outlives the request's own session."""
    database, query = request.app.state.database, tasks_of(member).order_by(Task.id)

    async def lines() -> AsyncIterator[str]:
        yield "id,title\n"
        async with database.unit_of_work(read_only=True) as session:
            async for task in await session.stream_scalars(query):
                yield f"{task.id},{task.title}\n"

    return StreamingResponse(lines(), media_type="text/csv")
