"""What a request spends on statements, for the slow log and its span."""

from __future__ import annotations

from starlette.types import Scope

from ormolu.telemetry import recording_span
from ormolu.timing import REQUEST, RequestTimes

__all__ = ["begin_times"]


def begin_times(scope: Scope, door: str | None) -> None:
    """Count the statements of a request, in its task and those that it begins.

    Args:
        scope: Of the request.
        door: The route whose door it is shown to.
    """
    times = REQUEST.get()
    if times is None or times.scope is not scope:
        # Not set back: servers have a task for each request.
        REQUEST.set(RequestTimes(scope, door, recording_span()))
    elif door is not None:
        times.door = door
