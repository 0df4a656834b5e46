"""Operations on rows, without HTTP: in a session, and as plans for lanes."""

from ormolu.resources.work._encoding import digest_of, encode, variant_of
from ormolu.resources.work._grants import NO_POLICIES, Grant, make_grant, with_slots
from ormolu.resources.work._json import read_json
from ormolu.resources.work._lists import (
    PARAMETERS,
    ListLimits,
    ListQuery,
    Page,
    read_members,
    read_parameters,
    total_of,
)
from ormolu.resources.work._operations import Operations
from ormolu.resources.work._plan_cache import MAX_PLANS, PlanCache
from ormolu.resources.work._planned import PagePlan, RowPlan
from ormolu.resources.work._plans import Plans, column_slot
from ormolu.resources.work._statements import ANY_VERSION, Key, Versions
from ormolu.resources.work._values import Values
from ormolu.resources.work._writes import Written

__all__ = [
    "ANY_VERSION", "MAX_PLANS", "NO_POLICIES", "PARAMETERS", "Grant", "Key", "ListLimits",
    "ListQuery", "Operations", "Page", "PagePlan", "PlanCache", "Plans", "RowPlan", "Values",
    "Versions", "Written", "column_slot", "digest_of", "encode", "make_grant", "read_json",
    "read_members", "read_parameters", "total_of", "variant_of", "with_slots",
]  # fmt: skip
