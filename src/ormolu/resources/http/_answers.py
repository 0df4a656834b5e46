"""From rows to answers: JSON, ETags and links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_core import to_json, to_jsonable_python
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Scope

from ormolu.query import plain_value
from ormolu.resources.http._conditions import NO_CONDITIONS, Conditions, etag_of, prefers_minimal
from ormolu.resources.http._executors import FoundPage, FoundRow, StoredRow
from ormolu.resources.work import digest_of, encode
from ormolu.web import Reply

__all__ = [
    "headers_of", "json_reply", "next_link", "page_answer", "path_of", "raw_headers", "row_answer",
    "written_answer",
]  # fmt: skip

_JSON = (b"content-type", b"application/json")

# Characters of a path or query string for which results are cached.
_CACHEABLE = 500


def json_reply(status: int, named: Mapping[str, str], content: bytes) -> Reply:
    """Return an answer with a JSON body and other headers."""
    headers = [(b"content-length", b"%d" % len(content)), _JSON]
    return Reply(status, [*raw_headers(named), *headers] if named else headers, content)


def raw_headers(named: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in named.items()]  # fmt: skip


def page_answer(scope: Scope, page: FoundPage) -> Reply:
    """Return the answer for a page."""
    cursor = page.next_cursor
    ended = b"null" if cursor is None else b'"%b"' % cursor.encode()
    counted = truncated = b""
    if page.total is not None and page.total_kind is not None:
        counted = b',"total":%d,"total_kind":"%b"' % (page.total, page.total_kind.encode())
    headers: dict[str, str] = {}
    if page.truncated:
        headers = _truncation(page.truncated)
        truncated = b',"truncated":%b' % encode(list(page.truncated))
    if cursor is not None and scope["method"] in {"GET", "HEAD"}:
        headers["Link"] = next_link(scope, cursor)
    content = b'{"items":%b,"next_cursor":%b%b%b}' % (page.items, ended, counted, truncated)
    return json_reply(200, headers, content)


def next_link(scope: Scope, cursor: str) -> str:
    """Return the Link header that leads to the next page of a list."""
    query: bytes = scope["query_string"]
    is_short = len(query) <= _CACHEABLE
    shared = _cached_without_cursor(query) if is_short else _without_cursor(query)
    # A URL escapes no character of a cursor.
    return f'<{_path(scope)}?{shared}cursor={cursor}>; rel="next"'


def _without_cursor(query: bytes) -> str:
    """Return the parameters that all pages of a list share."""
    shared = [(name, value) for name, value in QueryParams(query).multi_items()
              if name not in {"cursor", "offset"}]  # fmt: skip
    return f"{urlencode(shared)}&" if shared else ""


_cached_without_cursor = lru_cache(maxsize=256)(_without_cursor)


def row_answer(row: FoundRow, conditions: Conditions, variant: str | None) -> Reply:
    """Return the answer for one row; 304 if the client has it already.

    Args:
        row: The row.
        conditions: The conditions of the request.
        variant: The ETag's suffix for a whole row; None where `fields` or `include` is given.
    """
    if row.version is None and conditions is NO_CONDITIONS and not row.truncated:
        return json_reply(200, {}, row.content)
    headers = _truncation(row.truncated)
    if row.version is not None:
        # Included rows can change without the version, so their tag is a digest of the content.
        headers |= headers_of(row.version, digest_of(row.content) if variant is None else variant)
    if conditions.is_absent or headers.get("ETag") in conditions.unseen:
        return Reply(304, raw_headers(headers), b"")
    return json_reply(200, headers, row.content)


def written_answer(
    scope: Scope, row: StoredRow, preferences: Sequence[str], variant: str, is_new: bool
) -> Reply:
    """Return the answer for a row that was written."""
    headers = headers_of(row.version, variant)
    if is_new:
        headers["Location"] = path_of(scope, row.key)
    if not preferences or not prefers_minimal(preferences):
        return json_reply(201 if is_new else 200, headers, row.content())
    made = raw_headers(headers | {"Preference-Applied": "return=minimal"})
    # A 201 needs its length, which is zero; a 204 has none.
    return Reply(201, [*made, (b"content-length", b"0")], b"") if is_new else Reply(204, made, b"")


def headers_of(version: Any, variant: str = "") -> dict[str, str]:
    """Return the ETag, if the row has a version."""
    tag = etag_of(version, variant)
    return {} if tag is None else {"ETag": tag}


def path_of(scope: Scope, key: Sequence[Any]) -> str:
    """Return the path of a row, escaped, since headers are ASCII."""
    path = _path(scope).rstrip("/")
    is_row = scope["method"] == "PUT"
    collection = path.rpartition("/")[0] if is_row else path.removesuffix(":batch")
    # As in a body: a datetime has a T, and an enum its value.
    texts = to_jsonable_python(tuple(key), bytes_mode="base64", fallback=plain_value)
    return f"{collection}/{','.join(quote(_as_text(text), safe='') for text in texts)}"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _path(scope: Scope) -> str:
    if not (scope.get("root_path") or scope.get("app_root_path")):
        path = scope["path"]
        quoted = _quoted_plain(path) if len(path) <= _CACHEABLE else None
        if quoted is not None:
            return quoted
    path = Request(scope).url.path
    # A proxy may have removed the prefix that the server was told of.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return _quoted(path if path.startswith(f"{root}/") else root + path)


@lru_cache(maxsize=256)
def _quoted_plain(path: str) -> str | None:
    return _quoted(path) if _PLAIN.fullmatch(path) else None


# A path that needs no parsing as a URL.
_PLAIN = re.compile(r"(?:/[\w.~:,-]+)+/?")


def _quoted(path: str) -> str:
    return quote(path, safe="/:,")


def _truncation(paths: Sequence[str]) -> dict[str, str]:
    # An included relation ends after 100 rows, which clients must learn.
    return {"Truncated-Includes": ", ".join(paths)} if paths else {}
