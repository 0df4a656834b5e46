"""From a URL to open engines with their tables in place: one pair per event loop.

Knows SQLAlchemy's engines and pools; no session, no web framework.
"""

from ormolu.engines._borrowed import FAILURE, BorrowedConnection
from ormolu.engines._counts import BatchCounts, Counts
from ormolu.engines._engines import Engines
from ormolu.engines._knowledge import Choice, Knowledge, knowing
from ormolu.engines._listeners import Listener
from ormolu.engines._options import EngineOptions, Pooler, Retry, check_deadline
from ormolu.engines._origins import made_by_program, unsent_value
from ormolu.engines._pair import EnginePair
from ormolu.engines._pool import FairPool
from ormolu.engines._positions import Position, later_of, read_position, write_position
from ormolu.engines._precedence import Precedence
from ormolu.engines._readiness import describe_pools, describe_replicas, examine
from ormolu.engines._replica import Replica
from ormolu.engines._replicas import Replicas
from ormolu.engines._schema import SchemaMode
from ormolu.engines._spares import Spares
from ormolu.engines._traces import bears_traces, leave_trace
from ormolu.engines._url import Target, read_url, with_driver

__all__ = [
    "FAILURE",
    "BatchCounts",
    "BorrowedConnection",
    "Choice",
    "Counts",
    "EngineOptions",
    "EnginePair",
    "Engines",
    "FairPool",
    "Knowledge",
    "Listener",
    "Pooler",
    "Position",
    "Precedence",
    "Replica",
    "Replicas",
    "Retry",
    "SchemaMode",
    "Spares",
    "Target",
    "bears_traces",
    "check_deadline",
    "describe_pools",
    "describe_replicas",
    "examine",
    "knowing",
    "later_of",
    "leave_trace",
    "made_by_program",
    "read_position",
    "read_url",
    "unsent_value",
    "with_driver",
    "write_position",
]
