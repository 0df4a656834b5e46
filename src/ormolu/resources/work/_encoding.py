"""The JSON of answers, and the digests by which ETags distinguish its forms."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic_core import to_json

from ormolu.query import View, plain_value

__all__ = ["digest_of", "encode", "variant_of"]


def encode(value: Any) -> bytes:
    """Return JSON: decimals as text, instants in ISO 8601, bytes in base64, no NaN."""
    return to_json(value, bytes_mode="base64", inf_nan_mode="null", fallback=plain_value)


def variant_of(view: View, whole: View) -> str:
    """Return a suffix for the ETags of a view that shows less of a row than others do."""
    is_whole = view.members == whole.members
    return "" if is_whole else digest_of("\0".join(view.members).encode())


def digest_of(content: bytes) -> str:
    """Return a digest of one form of a row, for its ETag."""
    return hashlib.sha256(content).hexdigest()[:16]
