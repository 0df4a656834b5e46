"""A resource in the OpenAPI document."""

from ormolu.resources.openapi._documents import complete

__all__ = ["complete"]
