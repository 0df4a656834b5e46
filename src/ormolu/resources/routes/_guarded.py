"""Requests whose policies are resolved, answered on a lane where that makes no difference.

The dependencies of the route were called before. What only the request's session can do is left to
FastAPI's route.
"""

from __future__ import annotations

from starlette.types import Scope

from ormolu.resources.http import Call, LaneExecutor, Operation, Works, run_on_lane
from ormolu.resources.routes._binding import ResolvedPolicies
from ormolu.resources.work import make_grant
from ormolu.web import LanesAtHand, Reply, Sent, note_privacy

__all__ = ["answer_by_work"]


async def answer_by_work(
    operation: Operation, scope: Scope, body: Sent, at_hand: LanesAtHand, resolved: ResolvedPolicies
) -> Reply | None:
    """Answer a request; None, or an error of the request, leaves it to the session.

    Args:
        operation: The operation.
        scope: The ASGI scope of the request.
        body: Its body.
        at_hand: The lanes.
        resolved: Its policies.
    """
    exposure, policies, privacy = resolved
    grant = make_grant(policies, exposure.policy(policies))
    if grant is None:
        return None
    if exposure.works is None:
        exposure.works = Works(exposure)
    work = exposure.works.find(operation, at_hand, policies, grant)
    if work is None:
        return None
    work.context.hybrids.check()
    if privacy is not None and exposure.declaration.policy is not None:
        note_privacy(scope, privacy)
    executor = LaneExecutor(work, at_hand.lanes, grant)
    call = Call(scope, body, exposure.declaration, executor, privacy)
    return await run_on_lane(operation.handler, call, executor)
