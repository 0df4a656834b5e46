"""What of a model is shown, to whom, and by which names; declared and checked here."""

from ormolu.resources.declare._bodies import Body
from ormolu.resources.declare._columns import Attribute, has_model_listeners, model_listener_check
from ormolu.resources.declare._declaration import Declaration, Names, declare
from ormolu.resources.declare._exposures import Exposure, Policies, isolate_policies
from ormolu.resources.declare._hooks import HookName, run_hook
from ormolu.resources.declare._lru import LRUCache
from ormolu.resources.declare._mapped import (
    check_columns,
    check_relations,
    mapper_of,
    operations_of,
    path_of_table,
)
from ormolu.resources.declare._policy import EVERYTHING, Policy, checked_policy
from ormolu.resources.declare._registry import Registry, live_resources
from ormolu.resources.declare._schemas import Schemas, check_models, schemas_of
from ormolu.resources.declare._variants import check_variants

__all__ = [
    "EVERYTHING", "Attribute", "Body", "Declaration", "Exposure", "HookName", "LRUCache", "Names",
    "Policies", "Policy", "Registry", "Schemas", "check_columns", "check_models", "check_relations",
    "check_variants", "checked_policy", "declare", "has_model_listeners", "isolate_policies",
    "live_resources", "mapper_of", "model_listener_check", "operations_of", "path_of_table",
    "run_hook", "schemas_of",
]  # fmt: skip
