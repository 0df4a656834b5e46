"""From a request to values: the key in the path, the body, the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Scope

from ormolu.errors import RefusedError
from ormolu.query import (
    Field,
    Location,
    Selection,
    View,
    entry_of,
    member_texts,
    read_selection,
    refuse,
)
from ormolu.resources.work import read_json
from ormolu.web import Sent

__all__ = [
    "MAX_BODY", "RequestBody", "RowQuery", "Wishes", "check_body_headers", "may_have_slash",
    "read_json_body", "read_key", "read_key_value", "read_key_values", "read_object", "read_once",
    "read_query", "read_row_query", "wishes_in",
]  # fmt: skip

MAX_BODY = 1024 * 1024
# The most digits of Content-Length; int() refuses thousands of them.
_DIGITS = 20

# The values of each header, by its name in lower case.
Wishes = dict[bytes, list[str]]
_NONE = ("",)
_WISHES = frozenset(
    {
        b"content-length", b"content-type", b"idempotency-key", b"if-match", b"if-none-match",
        b"prefer",
    }
)  # fmt: skip


def read_key(scope: Scope, keys: Sequence[Field], name: str) -> tuple[Any, ...]:
    """Read the primary key, the last part of the path.

    Raises:
        RefusedError: It is not of the key's type, or no row can have it.
    """
    segment = _segment(scope)
    # Split before decoding: an escaped comma belongs to a value.
    parts = segment.split(b",", len(keys) - 1)
    texts = [_decode(part, ("path", field.name)) for part, field in zip(parts, keys, strict=False)]
    if len(texts) != len(keys):
        raise refuse(("path",), "key", f"Must be {','.join(field.name for field in keys)}")
    found = list(scope.get("path_params", {}).values())
    if may_have_slash(keys[-1]) and found and found[-1] != texts[-1]:
        # The route's pattern takes slashes, and the path has more than this key.
        raise RefusedError("not_found", f"{name} not found")
    return tuple(
        _read_part(field, text, ("path", field.name), name)
        for field, text in zip(keys, texts, strict=True)
    )


def may_have_slash(field: Field) -> bool:
    """Tell whether a key may contain a slash, which is escaped in a path."""
    if field.kind.family in {"address", "value"}:
        # A network has a slash before its length.
        return True
    is_enum = field.kind.family == "enum"
    return is_enum and any("/" in text for text in member_texts(field.type, field.annotation))


def _segment(scope: Scope) -> bytes:
    """Return the last segment of the path as it was sent, unless middleware has changed it."""
    path: str = scope["path"].rstrip("/")
    raw: bytes = scope.get("raw_path") or b""
    segment = raw.partition(b"?")[0].rstrip(b"/").rpartition(b"/")[2]
    if path.endswith("/" + unquote_to_bytes(segment).decode("utf-8", "replace").rstrip("/")):
        return segment
    # Middleware has changed only `path`, by which routes are found.
    return quote(path.rpartition("/")[2], safe=",").encode()


def read_key_value(
    value: Any, keys: Sequence[Field], location: Location, name: str
) -> tuple[Any, ...]:
    """Read a primary key from JSON: one value, or a list or an object of several.

    Raises:
        RefusedError: It is not of the key's type, or no row can have it.
    """
    if isinstance(value, Mapping):
        value = [value.get(field.name) for field in keys]
    values = value if isinstance(value, list) and len(keys) > 1 else [value]
    for each in values:
        is_integer = isinstance(each, int) and not isinstance(each, bool)
        if not isinstance(each, str) and not is_integer:
            raise refuse(location, "key", "Must be a key")
    return read_key_values(values, keys, location, name)


def read_key_values(
    values: Sequence[Any], keys: Sequence[Field], location: Location, name: str
) -> tuple[Any, ...]:
    """Read the values of a primary key, of JSON's types or of its own.

    Raises:
        RefusedError: One is not of the key's type, or no row can have it.
    """
    if len(values) != len(keys):
        raise refuse(location, "key", f"Must have {', '.join(field.name for field in keys)}")
    pairs = zip(keys, values, strict=True)
    return tuple(_read_part(field, value, location, name) for field, value in pairs)


def _read_part(field: Field, value: Any, location: Location, name: str) -> Any:
    try:
        if isinstance(value, str):
            read = field.key.validate_strings(value)
        else:
            read = field.key.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise refuse(location, first["type"], first["msg"]) from None
    try:
        field.filtered.validate_python(read)
    except ValidationError:
        # No row can have this key: 2**31 for an INTEGER, say.
        raise RefusedError("not_found", f"{name} not found") from None
    return read


def _decode(part: bytes, location: Location) -> str:
    try:
        return unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        entry = entry_of(location, "unicode", "Is not UTF-8")
        raise RefusedError("bad_request", f"{location[0]}: Is not UTF-8", [entry]) from None


def read_query(scope: Scope) -> dict[str, list[str]]:
    """Read the parameters of the query string, each with all its values.

    Raises:
        RefusedError: It is not UTF-8.
    """
    raw: bytes = scope["query_string"]
    found: dict[str, list[str]] = {}
    for pair in filter(None, raw.replace(b"+", b" ").split(b"&")):
        name, _, value = pair.partition(b"=")
        text = _decode(name, ("query",))
        found.setdefault(text, []).append(_decode(value, ("query", text[:100])))
    return found


class RowQuery(NamedTuple):
    """The query string of a read, parsed.

    Attributes:
        selection: Fields and relations.
        is_whole: Whether it has neither `fields` nor `include`.
    """

    selection: Selection
    is_whole: bool

    @property
    def reads_relations(self) -> bool:
        """Tell whether the answer depends on rows of other models."""
        return bool(self.selection.children)


def read_row_query(view: View, query: bytes) -> RowQuery:
    """Read the query string of a read.

    Raises:
        RefusedError: A parameter is unknown, or has a wrong value.
    """
    given = read_once(query, "fields", "include")
    locations = (("query", "fields"), ("query", "include"))
    found = read_selection(view, given.get("fields"), given.get("include"), locations)
    return RowQuery(found, not given)


def read_once(query: bytes, *known: str) -> dict[str, str]:
    """Read a query string that has only these parameters, and each of them once.

    Raises:
        RefusedError: One is unknown, or given twice.
    """
    found = {}
    for name, values in read_query({"query_string": query}).items():
        if name not in known:
            raise refuse(("query", name), "unknown_parameter", f"There is no {name!r} here")
        if len(values) > 1:
            raise refuse(("query", name), "repeated", f"Is given {len(values)} times")
        found[name] = values[0]
    return found


class RequestBody:
    """The body of a request, which can be read several times."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._raw: bytes | None = None
        self._error: Exception | None = None

    async def read(self, most: int) -> bytes | None:
        """Return the body; None if it has more bytes than that.

        Raises:
            Exception: It cannot be read: the client has disconnected, say.
        """
        if self._error is not None:
            raise self._error
        if self._raw is None:
            try:
                self._raw = await self._read(most)
            except Exception as error:
                self._error = error
                raise
        return self._raw if len(self._raw) <= most else None

    async def _read(self, most: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self._request.stream():
            size += len(chunk)
            chunks.append(chunk)
            if size > most:
                break
        return b"".join(chunks)


def read_object(value: Any) -> Mapping[str, Any]:
    """Return a body that is an object.

    Raises:
        RefusedError: It is not.
    """
    if not isinstance(value, Mapping):
        raise refuse(("body",), "dict_type", "Must be an object")
    return value


def check_body_headers(wishes: Wishes, *, is_patch: bool = False) -> None:
    """Check the headers of a body before it is read.

    Raises:
        RefusedError: It is too large, or of another type.
    """
    content_type = wishes.get(b"content-type", _NONE)[0].partition(";")[0].strip().lower()
    is_merge_patch = is_patch and content_type == "application/merge-patch+json"
    if content_type != "application/json" and not is_merge_patch:
        message = "The body must be application/json."
        raise RefusedError("unsupported_media_type", message)
    length = wishes.get(b"content-length", _NONE)[0]
    if length.isdecimal() and (len(length) > _DIGITS or int(length) > MAX_BODY):
        raise _too_large()


async def read_json_body(body: Sent) -> tuple[bytes, Any]:
    """Read a JSON body, raw and as a value.

    Raises:
        RefusedError: It is too large, or no JSON.
    """
    raw = await body.read(MAX_BODY)
    if raw is None:
        raise _too_large()
    return raw, read_json(raw, ("body",))


def wishes_in(scope: Scope) -> Wishes:
    """Return the values of the headers that operations use, by their names."""
    found: Wishes = {}
    for name, value in scope["headers"]:
        if name in _WISHES:
            found.setdefault(name, []).append(value.decode("latin-1"))
    return found


def _too_large() -> RefusedError:
    return RefusedError("too_large", f"The body must not have more than {MAX_BODY} bytes.")
