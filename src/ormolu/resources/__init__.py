"""Resources: from a model to the whole REST dialect.

`_resource` is the face; `_operations` does the work without HTTP, and `_routes` is a thin face
on it.
"""

from ormolu.resources._explain import Explanation, explain_application
from ormolu.resources._policy import Policy
from ormolu.resources._resource import Resource, resource

__all__ = ["Explanation", "Policy", "Resource", "explain_application", "resource"]
