"""From a request to an answer: the handlers of the operations, and the executors that run them."""

from ormolu.resources.http._call import Call
from ormolu.resources.http._idempotency import idempotency_table
from ormolu.resources.http._kept_works import Works, make_unrestricted_work
from ormolu.resources.http._lane_executor import LaneExecutor, run_on_lane
from ormolu.resources.http._requests import RequestBody, read_key, read_key_values
from ormolu.resources.http._session_executor import SessionExecutor
from ormolu.resources.http._table import Operation, offered_by
from ormolu.resources.http._works import Work

__all__ = [
    "Call", "LaneExecutor", "Operation", "RequestBody", "SessionExecutor", "Work", "Works",
    "idempotency_table", "make_unrestricted_work", "offered_by", "read_key", "read_key_values",
    "run_on_lane",
]  # fmt: skip
