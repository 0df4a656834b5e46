"""What of a model is shown, to whom and by which names: declared, checked, and asked for here."""

from ormolu.resources.declare._bodies import Body
from ormolu.resources.declare._columns import (
    Attribute,
    events_of,
    has_events,
)
from ormolu.resources.declare._declaration import (
    Declaration,
    Names,
    declare,
)
from ormolu.resources.declare._exposures import (
    Exposure,
    Policies,
    apart,
)
from ormolu.resources.declare._hooks import (
    HookName,
    run_hook,
)
from ormolu.resources.declare._mapped import (
    check_columns,
    check_relations,
    mapper_of,
    operations_of,
    path_of_table,
)
from ormolu.resources.declare._policy import (
    EVERYTHING,
    Policy,
    checked_policy,
    kept_apart,
)
from ormolu.resources.declare._recent import Recent
from ormolu.resources.declare._registry import (
    Registry,
    made,
)
from ormolu.resources.declare._schemas import (
    Schemas,
    check_models,
    schemas_of,
)
from ormolu.resources.declare._variants import check_variants

__all__ = [
    "EVERYTHING", "Attribute", "Body", "Declaration", "Exposure", "HookName", "Names",
    "Policies", "Policy", "Recent", "Registry", "Schemas", "apart", "check_columns", "check_models",
    "check_relations", "check_variants", "checked_policy", "declare", "events_of", "has_events",
    "kept_apart", "made", "mapper_of", "operations_of", "path_of_table", "run_hook", "schemas_of",
]  # fmt: skip
