"""Work outside the web: `python -m examples.tracker.jobs`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from examples.tracker.models import Base, Comment, Job, Task
from ormolu import Database


async def work(database: Database) -> int:
    """Do all jobs that wait, and return how many this call did; several may run at once."""
    done = 0
    while await _work_once(database):
        done += 1
    return done


async def _work_once(database: Database) -> bool:
    async with database.unit_of_work() as session:
        waiting = select(Job).where(Job.done_at.is_(None)).order_by(Job.id).limit(1)
        job = await session.scalar(waiting.with_for_update(skip_locked=True))
        if job is None:
            return False
        task = await session.get_one(Task, job.task_id, with_for_update=True)
        count = len(list(await session.scalars(select(Comment).where(Comment.task_id == task.id))))
        task.text = f"{count} comments, {task.minutes} minutes"
        job.done_at = datetime.now(UTC)
        return True


async def _main() -> None:
    async with Database(metadata=Base.metadata) as database:
        await work(database)


if __name__ == "__main__":
    asyncio.run(_main())
