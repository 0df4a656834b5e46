"""A program that reads a number, adds one and writes it back, many times at once.

Arguments: path of the database, tasks, transactions of each. Prints the errors that it met.
"""

import asyncio
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["increment"]


async def increment(engine: AsyncEngine, tasks: int, times: int) -> None:
    """Add up to `tasks` x `times`, each step a transaction that reads before it writes."""
    writer = engine.execution_options(sqlite_begin="immediate")

    async def work() -> None:
        for _ in range(times):
            async with writer.begin() as connection:
                number = (await connection.execute(text("SELECT n FROM t"))).scalar_one()
                await asyncio.sleep(0)
                await connection.execute(text("UPDATE t SET n = :n"), {"n": number + 1})

    await asyncio.gather(*(work() for _ in range(tasks)))


async def main() -> None:
    """Run as a program."""
    path, tasks, times = sys.argv[1:]
    engine = create_async_engine(f"sqlite+ormolu:///{path}?busy_timeout=30")
    await increment(engine, int(tasks), int(times))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
