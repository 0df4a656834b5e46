"""A tracker of tasks for many tenants: `uvicorn --factory examples.tracker.main:make_app`.

Two databases, accounts, roles, resources within a tenant, and beside them what a product writes by
hand: reports, moves under a lock, labels, files, import, export, a WebSocket and a job queue.
"""

from __future__ import annotations

from fastapi import FastAPI

from examples.tracker import access, imports, news, reports, tasks
from examples.tracker.models import ArchiveBase, Base
from examples.tracker.resources import make_resources
from ormolu import Database


def make_app(url: str | None = None, archive_url: str = "sqlite:///archive.db") -> FastAPI:
    """Return a new application.

    Args:
        url: Of the database; None takes `$DATABASE_URL`.
        archive_url: Of the second one, which holds the log.
    """
    database = Database(url, metadata=Base.metadata, engine_options={"pool_recycle": 1800})
    archive = Database(archive_url, metadata=ArchiveBase.metadata)
    app = FastAPI(title="Tracker")
    app.state.database, app.state.news = database, news.News()
    database.attach(app)
    archive.attach(app)
    for router in (access.router, reports.router, tasks.router, news.router):
        app.include_router(router)
    app.include_router(imports.make_router(archive))
    for each in make_resources():
        app.include_router(each)
    return app
