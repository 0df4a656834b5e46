"""What a start costs: the import, a hundred resources, and a request to the first and the last.

In this process, without a server: processor time, which other programs disturb less than time.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

COUNT = 100
REQUESTS = 2000
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    began_at = time.process_time()
    import fastapi  # noqa: F401 -- what is measured
    import sqlalchemy.orm  # noqa: F401

    theirs_at = time.process_time()
    import ormolu.resources  # noqa: F401

    ours_at = time.process_time()
    print(f"import of FastAPI and SQLAlchemy {theirs_at - began_at:6.3f} s")
    print(f"import of Ormolu beyond them     {ours_at - theirs_at:6.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure_resources(f"sqlite:///{Path(folder) / 'many.db'}"))


async def _measure_resources(url: str) -> None:
    from fastapi import FastAPI

    from ormolu import Database, Model, resource

    models = [_model(Model, index) for index in range(COUNT)]
    began_at = time.process_time()
    app = FastAPI()
    database = Database(url)
    database.attach(app)
    for model in models:
        app.include_router(resource(model))
    print(f"{COUNT} resources attached          {time.process_time() - began_at:6.3f} s")
    async with app.router.lifespan_context(app):
        async with database.unit_of_work() as session:
            session.add_all([model(name="a") for model in models])
        began_at = time.process_time()
        await _request(app, "/many0/1")
        print(f"the first request                {time.process_time() - began_at:6.3f} s")
        for name, key, count in (("found", 1, REQUESTS), ("not found", 2, REQUESTS // 10)):
            await _compare(app, name, key, count)


async def _compare(app: Any, name: str, key: int, count: int) -> None:
    """Print what a request to the first and to the last resource takes, in turns."""
    figures: dict[int, list[float]] = {0: [], COUNT - 1: []}
    for index in [*figures] * (ROUNDS + 1):
        began_at = time.process_time()
        for number in range(count):
            await _request(app, f"/many{index}/{key}")
            if number % 16 == 0:
                await asyncio.sleep(0)
        figures[index].append((time.process_time() - began_at) / count * 1e6)
    first, last = (statistics.median(values[1:]) for values in figures.values())
    print(f"{name:9}: first {first:7.1f} us, last {last:7.1f} us, {last / first:4.2f}x")


def _model(base: Any, index: int) -> Any:
    from sqlalchemy.orm import Mapped, mapped_column

    names = {
        "__tablename__": f"many{index}",
        "__annotations__": {"id": Mapped[int], "name": Mapped[str], "note": Mapped[str | None]},
        "id": mapped_column(primary_key=True),
        "name": mapped_column(),
        "note": mapped_column(),
    }
    return type(f"Many{index}", (base,), names)


async def _request(app: Any, path: str) -> None:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "server": ("localhost", 80), "client": ("localhost", 1), "root_path": "",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
    }  # fmt: skip
    await app(scope, _receive, _send)


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Any) -> None:
    pass


if __name__ == "__main__":
    main()
