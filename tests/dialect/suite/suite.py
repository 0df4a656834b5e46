# mypy: ignore-errors
"""SQLAlchemy's suite for dialects, as it stands."""

from sqlalchemy.testing.suite import *
from sqlalchemy.testing.suite import ServerSideCursorsTest as _ServerSideCursorsTest


class ServerSideCursorsTest(_ServerSideCursorsTest):
    """The suite knows the cursors of certain drivers by their names; ours tell as aiosqlite's."""

    def _is_server_side(self, cursor):
        return cursor.server_side
