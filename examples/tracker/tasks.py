"""What tasks can do beyond their resource: be deleted and kept, moved, labelled, given files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Select, select, update

from examples.tracker.access import MemberDep, WorkerDep
from examples.tracker.models import Attachment, Job, Label, Member, Project, Status, Task
from ormolu import SessionDep, after_commit

router = APIRouter(tags=["tasks"])


def tasks_of(member: Member) -> Select[Task]:
    """Return the query for the tasks of a tenant."""
    return select(Task).where(Task.tenant_id == member.tenant_id, Task.deleted_at.is_(None))


async def own_task(task_id: int, member: MemberDep, session: SessionDep) -> Task:
    """Return the task of the path; 404 if it is not the tenant's."""
    return (await session.scalars(tasks_of(member).where(Task.id == task_id))).one()


TaskDep = Annotated[Task, Depends(own_task)]


@router.delete("/tasks/{task_id}", status_code=204)
async def delete(task: TaskDep, member: WorkerDep, session: SessionDep, request: Request) -> None:
    """Show the task to nobody any more; the resource leaves this operation to us."""
    task.deleted_at = datetime.now(UTC)
    await session.flush()
    after_commit(session, request.app.state.news.tell, member.tenant_id, f"deleted {task.id}")


class Move(BaseModel):
    """Where a task goes."""

    position: int = Field(ge=0)


@router.post("/tasks/{task_id}/move")
async def move(task: TaskDep, to: Move, member: WorkerDep, session: SessionDep) -> list[int]:
    """Move a task within its project, under a lock, and return the new order."""
    lock = select(Project.id).where(Project.id == task.project_id).with_for_update()
    await session.execute(lock)
    query = tasks_of(member).where(Task.project_id == task.project_id)
    # Read again, and as it is now: MySQL shows what was there at the first statement otherwise.
    query = query.with_for_update().execution_options(populate_existing=True)
    order = list(await session.scalars(query.order_by(Task.position, Task.id)))
    order.remove(task)
    order.insert(to.position, task)
    for position, each in enumerate(order):
        each.position = position
    return [each.id for each in order]


@router.put("/tasks/{task_id}/labels")
async def label(
    task: TaskDep, names: list[str], member: WorkerDep, session: SessionDep
) -> list[str]:
    """Give a task these labels and no others.

    Raises:
        HTTPException: 422, there is no such label.
    """
    query = select(Label).where(Label.tenant_id == member.tenant_id, Label.name.in_(names))
    labels = {each.name: each for each in await session.scalars(query)}
    if missing := sorted(set(names) - set(labels)):
        raise HTTPException(422, f"There is no label {', '.join(missing)}.")
    await session.refresh(task, ["labels"])
    task.labels = list(labels.values())
    return sorted(labels)


@router.post("/tasks/{task_id}/attachments", status_code=201)
async def upload(
    task: TaskDep, name: str, _: WorkerDep, request: Request, session: SessionDep
) -> int:
    """Keep the body as a file of the task."""
    task_id = task.id
    # A slow client must not hold a connection, on SQLite not the one that writes.
    await session.commit()
    file = Attachment(task_id=task_id, name=name, content=await request.body())
    session.add(file)
    await session.flush()
    return file.id


@router.get("/tasks/{task_id}/attachments/{number}")
async def download(task: TaskDep, number: int, session: SessionDep) -> Response:
    """Give a file back; 404 if it is not the task's."""
    query = select(Attachment).where(Attachment.id == number, Attachment.task_id == task.id)
    file = (await session.scalars(query)).one()
    return Response(file.content, media_type="application/octet-stream")


@router.post("/tasks/{task_id}/report", status_code=202)
async def ask_for_report(task: TaskDep, _: WorkerDep, session: SessionDep) -> int:
    """Have `jobs.work` write a report into the task's text."""
    job = Job(task_id=task.id)
    session.add(job)
    await session.flush()
    return job.id


@router.post("/projects/{project_id}/finish", status_code=204)
async def finish(project_id: int, member: WorkerDep, session: SessionDep) -> None:
    """Set all tasks of a project to done, in one statement."""
    await session.execute(
        update(Task)
        .where(Task.tenant_id == member.tenant_id, Task.project_id == project_id)
        .values(status=Status.DONE, version=Task.version + 1)
    )
