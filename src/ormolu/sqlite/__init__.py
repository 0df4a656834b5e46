"""`sqlite+ormolu`: SQLite for SQLAlchemy's asyncio, with what SQL promises of transactions.

Works with any engine: `create_async_engine("sqlite+ormolu:///app.db")`. Knows sqlite3 and
SQLAlchemy; nothing of Ormolu above it.
"""

from ormolu.sqlite._connection import Connection
from ormolu.sqlite._dialect import SQLiteDialect_ormolu
from ormolu.sqlite._foreign import prepare_connections
from ormolu.sqlite._memory import MemoryFile, memory_file

__all__ = ["Connection", "MemoryFile", "SQLiteDialect_ormolu", "memory_file", "prepare_connections"]
