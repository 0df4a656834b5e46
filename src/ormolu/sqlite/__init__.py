"""SQLite connections that keep what SQL promises: settings, and when a transaction begins.

Knows sqlite3 and SQLAlchemy's engine events; nothing of Ormolu above it.
"""

from ormolu.sqlite._connections import prepare_connections
from ormolu.sqlite._memory import make_memory_path

__all__ = ["make_memory_path", "prepare_connections"]
