"""Where FastAPI begins: the gate, the session dependency, problem answers, health.

Knows sessions and engines; no resource.
"""

from ormolu.web._attach import attach
from ormolu.web._dependency import SessionDep, only_read, request_session, session_of
from ormolu.web._openapi import Describe
from ormolu.web._problems import problems_of

__all__ = [
    "Describe",
    "SessionDep",
    "attach",
    "only_read",
    "problems_of",
    "request_session",
    "session_of",
]
