"""Cursors: where a page ended, opaque and signed, bound to the sort and the filters it is of.

A cursor holds the sort values of the last row, so that the next page begins after them whatever
is inserted or deleted meanwhile. Knows no HTTP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from ormolu.query._sorting import Sort
from ormolu.query._views import Location, refuse

__all__ = ["cursor_context", "read_cursor", "write_cursor"]

_MAX_LENGTH = 65_536
_SIGNATURE_BYTES = 12

_TYPES: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (bool, int, float, str, Decimal, datetime, date, time, timedelta, UUID)
}


def cursor_context(sort: Sort, scope: str) -> bytes:
    """Return what a cursor is bound to: the sort, and the filters as a text."""
    return json.dumps([[str(order) for order in sort], scope]).encode()


def write_cursor(values: Sequence[Any], context: bytes, key: bytes) -> str:
    """Return the cursor after a row.

    Args:
        values: The row's sort values.
        context: What they belong to.
        key: Secret to sign with.
    """
    body = f"[{','.join(map(_write_value, values))}]".encode()
    return base64.urlsafe_b64encode(_sign(body, context, key) + body).decode().rstrip("=")


def read_cursor(text: Any, context: bytes, key: bytes, location: Location) -> list[Any]:
    """Return the sort values in a cursor.

    Raises:
        RefusedError: It is not one of ours, or of another sort or other filters.
    """
    refusal = refuse(
        location, "cursor", "Is not a cursor of this list; sort and filters must stay as they were"
    )
    if not isinstance(text, str) or len(text) > _MAX_LENGTH or not text.isascii():
        raise refusal
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise refusal from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(body, context, key)):
        raise refusal
    # Signed, so it is as it was written.
    return [_untag(tagged) for tagged in json.loads(body)]


def _write_value(value: Any) -> str:
    # Most sorts end with a number; the encoder is the slow part of a cursor.
    return f'["int",{value}]' if type(value) is int else _write_tagged(_tag(value))


# As json.dumps does it, which makes an encoder for each call.
_write_tagged = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _sign(body: bytes, context: bytes, key: bytes) -> bytes:
    signer = _signer(context, key).copy()
    signer.update(body)
    signature: bytes = signer.digest()
    return signature


@lru_cache(maxsize=256)
def _signer(context: bytes, key: bytes) -> Any:
    # Keyed BLAKE2 is a MAC by itself, in a tenth of the time of an HMAC by OpenSSL 3.
    return hashlib.blake2b(context + b"\0", key=key, digest_size=_SIGNATURE_BYTES)


def _tag(value: Any) -> Any:
    if value is None:
        return None
    kind = type(value).__name__
    if kind == "float":
        # JSON has no way to write every float that a database may hold.
        return [kind, value.hex()]
    return [kind, to_jsonable_python(value)]


def _untag(tagged: Any) -> Any:
    if tagged is None:
        return None
    kind, value = tagged
    return float.fromhex(value) if kind == "float" else _TYPES[kind].validate_python(value)
