"""From rows to answers: JSON bytes, tags, links."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_core import to_json, to_jsonable_python
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ormolu.query import View, plain_value
from ormolu.resources._conditions import Conditions, etag_of, prefers_minimal
from ormolu.resources._idempotency import Answer
from ormolu.resources._lists import Page
from ormolu.resources._writes import Written

__all__ = [
    "as_response", "digest_of", "encode", "headers_of", "list_answer", "next_link", "path_of",
    "read_answer", "variant_of", "written_answer",
]  # fmt: skip

# Letters of what is kept of a request.
_SHORT = 500


def encode(value: Any) -> bytes:
    """Return JSON: decimals as text, instants in ISO 8601, bytes in base64, no NaN."""
    return to_json(value, bytes_mode="base64", inf_nan_mode="null", fallback=plain_value)


def list_answer(request: Request, page: Page, items: Sequence[Any]) -> Answer:
    """Return the answer for a page."""
    body: dict[str, Any] = {"items": items, "next_cursor": page.next_cursor}
    if page.total_kind is not None:
        body |= {"total": page.total, "total_kind": page.total_kind}
    headers = _truncation(page.truncated)
    if page.truncated:
        body["truncated"] = list(page.truncated)
    if page.next_cursor is not None and request.method in {"GET", "HEAD"}:
        headers["Link"] = next_link(request.scope, page.next_cursor)
    return Answer(200, headers, encode(body))


def next_link(scope: Scope, cursor: str) -> str:
    """Return the Link header that leads to the next page of a list."""
    # A cursor is of letters that a URL does not escape.
    query: bytes = scope["query_string"]
    kept = _kept(query) if len(query) <= _SHORT else _without_cursor(query)
    return f'<{_path(scope)}?{kept}cursor={cursor}>; rel="next"'


@lru_cache(maxsize=256)
def _kept(query: bytes) -> str:
    return _without_cursor(query)


def _without_cursor(query: bytes) -> str:
    """Return the parameters that all pages of a list share."""
    kept = [(name, value) for name, value in QueryParams(query).multi_items()
            if name not in {"cursor", "offset"}]  # fmt: skip
    return f"{urlencode(kept)}&" if kept else ""


def read_answer(
    content: bytes,
    version: Any,
    truncated: Sequence[str],
    conditions: Conditions,
    variant: str | None,
) -> Answer:
    """Return the answer for one row; 304 if the client has it already.

    Args:
        content: The body.
        version: Of the row.
        truncated: Paths of its relations that are not whole.
        conditions: Of the request.
        variant: What tells the form of a whole row apart; None for a part of it or more.
    """
    if variant is None:
        # Of the content: included rows change without the version.
        variant = digest_of(content)
    headers = headers_of(version, variant) | _truncation(truncated)
    if conditions.is_absent or headers.get("ETag") in conditions.unseen:
        return Answer(304, headers, b"")
    return Answer(200, headers, content)


def written_answer(
    request: Request, written: Written, body: Any, *, is_new: bool, variant: str
) -> Answer:
    """Return the answer for a row that was written."""
    headers = headers_of(written.version, variant)
    if is_new:
        headers["Location"] = path_of(request.scope, written.key)
    if prefers_minimal(request.headers.getlist("prefer")):
        headers["Preference-Applied"] = "return=minimal"
        return Answer(201 if is_new else 204, headers, b"")
    return Answer(201 if is_new else 200, headers, encode(body))


def variant_of(view: View, whole: View) -> str:
    """Return what tells the form of a whole row apart: who is shown less has another tag."""
    is_whole = view.members == whole.members
    return "" if is_whole else digest_of("\0".join(view.members).encode())


def digest_of(content: bytes) -> str:
    """Return what tells one form of a row apart from others, in its tag."""
    return hashlib.sha256(content).hexdigest()[:16]


def headers_of(version: Any, variant: str = "") -> dict[str, str]:
    """Return the ETag, if the row has a version."""
    tag = etag_of(version, variant)
    return {} if tag is None else {"ETag": tag}


def path_of(scope: Scope, key: Sequence[Any]) -> str:
    """Return the path of a row, escaped: a header is ASCII, and keys need not be."""
    path = _path(scope).rstrip("/")
    is_row = scope["method"] == "PUT"
    collection = path.rpartition("/")[0] if is_row else path.removesuffix(":batch")
    # As in a body: a moment has a T, an enumeration its value.
    texts = to_jsonable_python(tuple(key), bytes_mode="base64", fallback=plain_value)
    return f"{collection}/{','.join(quote(_as_text(text), safe='') for text in texts)}"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _path(scope: Scope) -> str:
    if not (scope.get("root_path") or scope.get("app_root_path")):
        path = scope["path"]
        quoted = _quoted_plain(path) if len(path) <= _SHORT else None
        if quoted is not None:
            return quoted
    path = Request(scope).url.path
    # A proxy may have taken its prefix away, and the server been told of it.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return _quoted(path if path.startswith(f"{root}/") else root + path)


@lru_cache(maxsize=256)
def _quoted_plain(path: str) -> str | None:
    return _quoted(path) if _PLAIN.fullmatch(path) else None


# A path that no part of a URL is cut off from.
_PLAIN = re.compile(r"(?:/[\w.~:,-]+)+/?")


def _quoted(path: str) -> str:
    return quote(path, safe="/:,")


def as_response(request: Request, answer: Answer) -> Response:
    """Return what Starlette sends; for HEAD the headers alone."""
    headers = dict(answer.headers)
    has_body = answer.status not in {204, 304} and answer.body
    response = Response(
        content=answer.body if has_body and request.method != "HEAD" else b"",
        status_code=answer.status,
        headers=headers,
        media_type="application/json" if has_body else None,
    )
    if request.method == "HEAD" and has_body:
        response.headers["Content-Length"] = str(len(answer.body))
    return response


def _truncation(paths: Sequence[str]) -> dict[str, str]:
    # Not without a word: an included relation ends after 100 rows.
    return {"Truncated-Includes": ", ".join(paths)} if paths else {}
