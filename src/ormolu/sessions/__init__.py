"""One unit of work: its session, how it ends, and what waits for its commit.

Knows engines; no web framework.
"""

from ormolu.sessions._after_commit import after_commit
from ormolu.sessions._engine_of import engine_of
from ormolu.sessions._long_reads import in_its_place
from ormolu.sessions._mapper_cache import cached_on_mapper
from ormolu.sessions._repeats import MOST_REPEATS, Repeats
from ormolu.sessions._rules import has_flush_listeners, has_session_listeners
from ormolu.sessions._session import WORK_KEY, UnitSession
from ormolu.sessions._unit_of_work import UnitOfWork, run_repeatedly

__all__ = [
    "MOST_REPEATS",
    "WORK_KEY",
    "Repeats",
    "UnitOfWork",
    "UnitSession",
    "after_commit",
    "cached_on_mapper",
    "engine_of",
    "has_flush_listeners",
    "has_session_listeners",
    "in_its_place",
    "run_repeatedly",
]  # fmt: skip
