"""Where FastAPI begins: the gate, the session dependency, problem answers, health.

Knows sessions and engines; no resource.
"""

from ormolu.web._attach import attach
from ormolu.web._constraints import call_columns
from ormolu.web._dependency import (
    ReadSessionDep,
    SessionDep,
    only_read,
    request_session,
    session_of,
    unit_of,
)
from ormolu.web._door import Body, Door, NoDoorError, Reply
from ormolu.web._doors import raise_failure
from ormolu.web._fastapi import why_no_doors
from ormolu.web._handlers import ProblemReach, answer_problems
from ormolu.web._openapi import Describer, problem_reference
from ormolu.web._privacy import Privacy, note_privacy
from ormolu.web._problems import problems_of
from ormolu.web._survey import survey

__all__ = [
    "Body",
    "Describer",
    "Door",
    "NoDoorError",
    "Privacy",
    "ProblemReach",
    "ReadSessionDep",
    "Reply",
    "SessionDep",
    "answer_problems",
    "attach",
    "call_columns",
    "note_privacy",
    "only_read",
    "problem_reference",
    "problems_of",
    "raise_failure",
    "request_session",
    "session_of",
    "survey",
    "unit_of",
    "why_no_doors",
]
