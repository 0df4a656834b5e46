"""The operations on rows: statements, plans and what a session does. Knows no HTTP."""

from ormolu.resources.work._encoding import (
    digest_of,
    encode,
    variant_of,
)
from ormolu.resources.work._grants import (
    EVERYBODY,
    Grant,
    grant_of,
    template_of,
)
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
from ormolu.resources.work._planned import (
    PagePlan,
    RowPlan,
)
from ormolu.resources.work._plans import Plans
from ormolu.resources.work._shapes import (
    SHAPES,
    Shapes,
)
from ormolu.resources.work._statements import (
    ANY_VERSION,
    Key,
    Versions,
)
from ormolu.resources.work._values import Values
from ormolu.resources.work._writes import Written

__all__ = [
    "ANY_VERSION", "EVERYBODY", "PARAMETERS", "SHAPES", "Grant", "Key", "ListLimits", "ListQuery",
    "Operations", "Page", "PagePlan", "Plans", "RowPlan", "Shapes", "Values", "Versions", "Written",
    "digest_of", "encode", "grant_of", "read_json", "read_members", "read_parameters",
    "template_of", "total_of", "variant_of",
]  # fmt: skip
