"""Serve the things on a port, in a process that a test kills."""

from __future__ import annotations

import sqlite3
import time
from typing import Any
from unittest.mock import patch

import uvicorn

from tests.lanes.things import app_of, database_of

__all__ = ["serve"]

# Seconds that each COMMIT of SQLite takes: what is answered before it is lost by a kill then.
_COMMIT_SECONDS = 0.03

_connect = sqlite3.connect


def serve(url: str, port: int) -> None:
    with patch("sqlite3.connect", _connect_slowly):
        uvicorn.run(app_of(database_of(url, pool_timeout=5.0)), port=port, log_level="critical")


def _connect_slowly(*args: Any, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*args, **options)
    connection.set_trace_callback(_pause)
    return connection


def _pause(statement: str) -> None:
    if statement == "COMMIT":
        time.sleep(_COMMIT_SECONDS)
