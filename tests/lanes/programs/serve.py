"""Serve the things on a port, in a process that a test kills."""

from __future__ import annotations

import uvicorn

from tests.lanes.things import app_of, database_of

__all__ = ["serve"]


def serve(url: str, port: int) -> None:
    uvicorn.run(app_of(database_of(url, pool_timeout=5.0)), port=port, log_level="critical")
