"""Requests whose policies were asked, answered by a work on a lane where that is no difference.

FastAPI has called all that the route depends on. Then the work is done as for whoever asks; what
only the session of the request can do, or does as nobody else, is left to that.
"""

from __future__ import annotations

from starlette.types import Scope

from ormolu.resources.http import Call, LaneExecutor, Operation, Works, run_on_lane
from ormolu.resources.routes._placing import Asked
from ormolu.resources.work import grant_of
from ormolu.web import LanesAtHand, Reply, Sent, note_privacy

__all__ = ["answer_by_work"]


async def answer_by_work(
    operation: Operation, scope: Scope, body: Sent, at_hand: LanesAtHand, asked: Asked
) -> Reply | None:
    """Answer a request; None hands it over, and so does an error of a request.

    Args:
        operation: What is asked for.
        scope: Of the request.
        body: Of it.
        at_hand: Where plans run.
        asked: What the request's policies allow.
    """
    exposure, policies, privacy = asked
    grant = grant_of(policies, exposure.policy(policies))
    if grant is None:
        return None
    if exposure.works is None:
        exposure.works = Works(exposure)
    work = exposure.works.find(operation, at_hand.dialect, policies, grant)
    if work is None:
        return None
    work.opening.hybrids.check()
    if privacy is not None and exposure.declaration.policy is not None:
        note_privacy(scope, privacy)
    executor = LaneExecutor(work, at_hand.lanes, grant)
    call = Call(scope, body, exposure.declaration, executor, privacy)
    return await run_on_lane(operation.handler, call, executor)
