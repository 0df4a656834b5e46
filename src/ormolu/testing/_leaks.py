"""What a test leaves behind: connections in use, tasks, threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from ormolu.engines import Engines

__all__ = ["no_connections_left", "no_tasks_left"]

# Threads that belong to event loops and to ourselves, and wait there for more.
_WAITING = ("asyncio_", "AnyIO", "ormolu", "ThreadPoolExecutor")


@contextmanager
def no_connections_left(databases: Iterable[Engines]) -> Iterator[None]:
    """Fail if connections of databases are in use after the block, or threads that it began run.

    Raises:
        AssertionError: Some are; the message says how many.
    """
    before, engines = set(threading.enumerate()), list(databases)
    counts = [each.connections_left for each in engines]
    yield
    found = [
        f"{left} connections are in use: a session, a transaction or a result was not closed"
        for each, count in zip(engines, counts, strict=True)
        if (left := each.connections_left - count)
    ]
    found.extend(f"a thread runs: {name}" for name in _threads_beside(before))
    _tell(found)


@asynccontextmanager
async def no_tasks_left() -> AsyncIterator[None]:
    """Fail if tasks that began within the block are not done after it.

    Raises:
        AssertionError: Some are; the message names them.
    """
    before = asyncio.all_tasks()
    yield
    # Those that end with what the block has ended, have time to do so.
    await asyncio.sleep(0)
    left = [each for each in asyncio.all_tasks() - before if not _runs_tests(each)]
    _tell([f"a task is not done: {_named(each)}" for each in left])


def _threads_beside(before: set[threading.Thread]) -> list[str]:
    begun = set(threading.enumerate()) - before
    return [each.name for each in begun if not (each.daemon or each.name.startswith(_WAITING))]


def _runs_tests(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    parts = Path(code.co_filename).parts if code is not None else ()
    return task is asyncio.current_task() or "anyio" in parts or "pytest_asyncio" in parts


def _named(task: asyncio.Task[Any]) -> str:
    work: Any = task.get_coro()
    return str(getattr(work, "__qualname__", task.get_name()))


def _tell(found: list[str]) -> None:
    if found:
        listed = "\n  ".join(found)
        message = f"The test leaves behind:\n  {listed}"
        raise AssertionError(message)
