"""Cursors: opaque positions in a list, valid for one sort and one filter. Knows no HTTP.

A cursor holds the sort values of a page's last row, so the next page begins after them whatever is
inserted or deleted meanwhile. It is no secret: anybody may write one, and gets what a filter by the
same values would show.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Dialect

from ormolu.query._conditions import Condition, describe
from ormolu.query._cursor_values import Reader, json_of, or_null, reader_of
from ormolu.query._sorting import Sort, sort_types
from ormolu.query._views import Location, View, refuse

__all__ = ["Cursors"]

_MAX_LENGTH = 65_536
_DIGEST_BYTES = 8

# Made once, since json.dumps makes an encoder for each call.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Cursors:
    """Writes and reads the cursors of one list: of a model, a sort, a filter."""

    def __init__(
        self, view: View, sort: Sort, condition: Condition | None, dialect: Dialect
    ) -> None:
        self._model = view.model.__name__
        self._sort = sort
        self._condition = condition
        self._dialect = dialect

    def write(self, values: Sequence[Any]) -> str:
        """Return the cursor after the row with these sort values."""
        # Fast path for integers, since the encoder is the slow part of a cursor.
        texts = [str(each) if type(each) is int else _encode(json_of(each)) for each in values]
        body = f"[{','.join(texts)}]".encode()
        return base64.urlsafe_b64encode(self._digest(body) + body).decode().rstrip("=")

    def read(self, text: Any, location: Location) -> list[Any]:
        """Return the sort values in a cursor.

        Raises:
            RefusedError: It is of another list, or holds what no row can have.
        """
        try:
            return self._read(text)
        except (ValueError, TypeError, KeyError, OverflowError):
            message = "Is not a cursor of this list; sort and filters must stay as they were"
            raise refuse(location, "cursor", message) from None

    def _read(self, text: Any) -> list[Any]:
        if not isinstance(text, str) or len(text) > _MAX_LENGTH or not text.isascii():
            raise ValueError
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if digest != self._digest(body):
            raise ValueError
        values = from_json(body, allow_inf_nan=False, cache_strings="none")
        if not isinstance(values, list):
            raise TypeError
        return [read(value) for value, read in zip(values, self._readers, strict=True)]

    def _digest(self, body: bytes) -> bytes:
        # The digest only detects cursors that are mistyped or of another list.
        found = hashlib.blake2b(body, digest_size=_DIGEST_BYTES, salt=self._context)
        return found.digest()

    @cached_property
    def _context(self) -> bytes:
        scope = "" if self._condition is None else describe(self._condition)
        context = json.dumps([self._model, [str(order) for order in self._sort], scope])
        return hashlib.blake2b(context.encode(), digest_size=hashlib.blake2b.SALT_SIZE).digest()

    @cached_property
    def _readers(self) -> list[Reader]:
        readers = [reader_of(each, self._dialect) for each in sort_types(self._sort, self._dialect)]
        return [
            or_null(read) if order.is_nullable else read
            for order, read in zip(self._sort, readers, strict=True)
        ]
