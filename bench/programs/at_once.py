"""A driver that costs nothing: sqlite3, called on the event loop, in everybody's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool


class AtOnce(SQLiteDialect_pysqlite):
    driver = "at_once"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: object) -> type[Pool]:
        return AsyncAdaptedQueuePool

    def on_connect(self) -> Callable[[Any], None]:
        set_up: Any = super().on_connect()

        def connect(connection: Any) -> None:
            set_up(connection)
            connection.execute("PRAGMA journal_mode = WAL")

        return connect


registry.register("sqlite.at_once", __name__, AtOnce.__name__)
