"""Plans and lanes: statements compiled once, sent over connections that are pinned, many at once.

Knows engines and drivers; no session, no request. What a lane cannot do the session does.
"""

from ormolu.lanes._lane import Item, NotDoneError
from ormolu.lanes._lanes import Lanes, lanes_of, why_no_lanes, why_no_lanes_for
from ormolu.lanes._plan import (
    NO_VALUES,
    Plan,
    PointPlan,
    Read,
    Slot,
    UnplannableError,
    Values,
    numbered,
)

__all__ = [
    "NO_VALUES", "Item", "Lanes", "NotDoneError", "Plan", "PointPlan", "Read", "Slot",
    "UnplannableError", "Values", "lanes_of", "numbered", "why_no_lanes", "why_no_lanes_for",
]  # fmt: skip
