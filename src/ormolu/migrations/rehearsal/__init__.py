"""Pending revisions tried on a throw-away PostgreSQL: what each statement locks, and for how long.

Knows Alembic by its caller; nothing of the database that is to be migrated.
"""

from ormolu.migrations.rehearsal._dangers import Danger, DangerKind
from ormolu.migrations.rehearsal._findings import Finding, Format, Rehearsal, shown
from ormolu.migrations.rehearsal._pasted import Safer
from ormolu.migrations.rehearsal._rehearsal import rehearse
from ormolu.migrations.rehearsal._scratch import open_scratch_server

__all__ = [
    "Danger",
    "DangerKind",
    "Finding",
    "Format",
    "Rehearsal",
    "Safer",
    "open_scratch_server",
    "rehearse",
    "shown",
]
