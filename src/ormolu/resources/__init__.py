"""Resources: from a model to the whole REST dialect. `_resource` is the face."""

from ormolu.resources._resource import Resource, resource
from ormolu.resources.declare import HookName, Policy
from ormolu.resources.routes import Explanation, explain_application
from ormolu.resources.work import Page

__all__ = [
    "Explanation", "HookName", "Page", "Policy", "Resource", "explain_application", "resource",
]  # fmt: skip
