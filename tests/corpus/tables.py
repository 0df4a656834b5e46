"""Where the tables of all projects are: one database has them."""

from __future__ import annotations

from sqlalchemy import MetaData

__all__ = ["METADATA", "NATIVE"]

METADATA = MetaData()

# Those that PostgreSQL alone can have.
NATIVE = MetaData()
