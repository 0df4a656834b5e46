"""Resources: from a model to the whole REST dialect.

`_resource` is the face; `_operations` does the work without HTTP, and `_routes` is a thin face
on it.
"""

from ormolu.resources._explain import Explanation, explain_application
from ormolu.resources._hooks import HookName
from ormolu.resources._lists import Page
from ormolu.resources._policy import Policy
from ormolu.resources._resource import Resource, resource

__all__ = [
    "Explanation",
    "HookName",
    "Page",
    "Policy",
    "Resource",
    "explain_application",
    "resource",
]
