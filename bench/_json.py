"""JSON as FastAPI writes it."""

from __future__ import annotations

import json

__all__ = ["compact"]


def compact(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
