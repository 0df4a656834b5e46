"""What Pydantic keeps of a field without reading it."""

from __future__ import annotations

from pydantic.fields import FieldInfo

__all__ = ["old_pattern"]


def old_pattern(field: FieldInfo) -> str | None:
    """Return the pattern that SQLModel passes on by Pydantic's old name for it, `regex`."""
    pattern: str | None = getattr(field, "_attributes_set", {}).get("regex")
    return pattern
