"""From a URL to open engines with their tables in place: one pair per event loop.

Knows SQLAlchemy's engines and pools; no session, no web framework.
"""

from ormolu.engines._borrowed import FAILURE, BorrowedConnection
from ormolu.engines._counts import BatchCounts, Counts
from ormolu.engines._engines import Engines
from ormolu.engines._listeners import Listener
from ormolu.engines._options import EngineOptions, Pooler, Retry, check_deadline
from ormolu.engines._origins import made_by_program, unsent_value
from ormolu.engines._pair import EnginePair
from ormolu.engines._pool import FairPool
from ormolu.engines._precedence import Precedence
from ormolu.engines._readiness import describe_pools, examine
from ormolu.engines._schema import SchemaMode
from ormolu.engines._traces import bears_traces, leave_trace
from ormolu.engines._url import Target, read_url

__all__ = [
    "FAILURE",
    "BatchCounts",
    "BorrowedConnection",
    "Counts",
    "EngineOptions",
    "EnginePair",
    "Engines",
    "FairPool",
    "Listener",
    "Pooler",
    "Precedence",
    "Retry",
    "SchemaMode",
    "Target",
    "bears_traces",
    "check_deadline",
    "describe_pools",
    "examine",
    "leave_trace",
    "made_by_program",
    "read_url",
    "unsent_value",
]
