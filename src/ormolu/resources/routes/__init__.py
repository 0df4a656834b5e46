"""The routes of a resource in an application, their doors, and explanations of both."""

from ormolu.resources.routes._applications import exposure_for
from ormolu.resources.routes._explain import Explanation, explain_application, explain_door
from ormolu.resources.routes._router import ResourceRouter

__all__ = ["Explanation", "ResourceRouter", "explain_application", "explain_door", "exposure_for"]
