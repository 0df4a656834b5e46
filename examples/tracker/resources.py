"""The resources of the tracker, each within the tenant of who asks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.tracker.access import MemberDep
from examples.tracker.models import Comment, Label, Project, Role, Task
from ormolu import Policy, Resource, resource


async def own_projects(member: MemberDep) -> Policy:
    """Show the tenant's projects; owners may change them."""
    mine = Project.tenant_id == member.tenant_id
    return _tenant(member, mine, writable=member.role is Role.OWNER)


async def own_labels(member: MemberDep) -> Policy:
    """Show the tenant's labels."""
    return _tenant(member, Label.tenant_id == member.tenant_id, writable=_works(member))


async def own_tasks(member: MemberDep) -> Policy:
    """Show the tenant's tasks that are not deleted, in projects of its own."""
    mine = (Task.tenant_id == member.tenant_id) & Task.deleted_at.is_(None)
    project = Task.project.has(Project.tenant_id == member.tenant_id)
    return _tenant(member, mine, writable=project if _works(member) else False)


async def own_comments(member: MemberDep) -> Policy:
    """Show the comments of tasks that are shown; authors may change theirs."""
    tasks = select(Task.id).where(Task.tenant_id == member.tenant_id, Task.deleted_at.is_(None))
    return Policy(
        visible=Comment.task_id.in_(tasks),
        writable=Comment.author_id == member.user_id,
        assign={"author_id": member.user_id},
        principal=member.user_id,
    )


def _tenant(member: MemberDep, visible: Any, *, writable: Any) -> Policy:
    assign = {"tenant_id": member.tenant_id}
    return Policy(visible=visible, writable=writable, assign=assign, principal=member.user_id)


def _works(member: MemberDep) -> bool:
    return member.role is not Role.VIEWER


async def _place_last(session: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    """Put a new task behind the others of its project."""
    if "position" in values:
        return values
    query = select(Task.position).where(Task.project_id == values["project_id"])
    last = await session.scalar(query.order_by(Task.position.desc()).limit(1))
    return {**values, "position": 0 if last is None else last + 1}


def make_resources() -> list[Resource]:
    """Return the resources of one application."""
    labels = resource(Label, policy=own_labels, read_only={"tenant_id"})
    tasks = resource(
        Task,
        policy=own_tasks,
        read_only={"tenant_id"},
        hidden={"deleted_at"},
        searchable={"title", "text"},
        includes={"project", "labels", "comments"},
        # Deleting keeps the row: the route is in tasks.py.
        operations={"list", "read", "create", "update", "batch"},
        hooks={"before_create": _place_last},
        idempotency=True,
    )
    projects = resource(Project, policy=own_projects, read_only={"tenant_id"}, includes={"tasks"})
    comments = resource(Comment, policy=own_comments, read_only={"author_id"}, includes={"task"})
    return [labels, tasks, projects, comments]
