"""Where FastAPI begins: the gate, the session dependency, problem answers, health.

Knows sessions and engines; no resource.
"""

from ormolu.web._attach import (
    attach,
    attached_applications,
    attached_databases,
    attached_engines,
)
from ormolu.web._constraints import call_columns
from ormolu.web._deadline import mark_deadline
from ormolu.web._dependency import (
    ReadSessionDep,
    SessionDep,
    application_of,
    deadline,
    only_read,
    read_session_of,
    request_session,
    session_of,
    signed,
)
from ormolu.web._door import Door, NoDoorError, Reply, Sent
from ormolu.web._doors import is_handed_over, raise_failure
from ormolu.web._fastapi import dependant_of, dependencies_of, route_path, solve, why_no_doors
from ormolu.web._handlers import ProblemReach, answer_problems
from ormolu.web._lanes import LanesAtHand, attempt, lanes_for
from ormolu.web._openapi import Describer, problem_reference
from ormolu.web._outer import Outer, hear_outer, note_outer, outer_routers
from ormolu.web._overload import OverloadMode
from ormolu.web._privacy import Privacy, note_privacy
from ormolu.web._problems import problems_of
from ormolu.web._questions import answers_in, why_not_asked
from ormolu.web._retry import retry
from ormolu.web._survey import Survey, survey
from ormolu.web._tables import Table, contexts_of, mounted_in, routers_in
from ormolu.web._units import note_stored, units_of
from ormolu.web._watch import settle

__all__ = [
    "Describer",
    "Door",
    "LanesAtHand",
    "NoDoorError",
    "Outer",
    "OverloadMode",
    "Privacy",
    "ProblemReach",
    "ReadSessionDep",
    "Reply",
    "Sent",
    "SessionDep",
    "Survey",
    "Table",
    "answer_problems",
    "answers_in",
    "application_of",
    "attach",
    "attached_applications",
    "attached_databases",
    "attached_engines",
    "attempt",
    "call_columns",
    "contexts_of",
    "deadline",
    "dependant_of",
    "dependencies_of",
    "hear_outer",
    "is_handed_over",
    "lanes_for",
    "mark_deadline",
    "mounted_in",
    "note_outer",
    "note_privacy",
    "note_stored",
    "only_read",
    "outer_routers",
    "problem_reference",
    "problems_of",
    "raise_failure",
    "read_session_of",
    "request_session",
    "retry",
    "route_path",
    "routers_in",
    "session_of",
    "settle",
    "signed",
    "solve",
    "survey",
    "units_of",
    "why_no_doors",
    "why_not_asked",
]
