"""One request to a resource: what its handler reads, and how it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from ormolu.errors import RefusedError
from ormolu.query import Budget, Location, refuse
from ormolu.resources.declare import Declaration
from ormolu.resources.http import _idempotency as idempotency
from ormolu.resources.http._answers import written_answer
from ormolu.resources.http._conditions import NO_CONDITIONS, Conditions, read_conditions
from ormolu.resources.http._executors import Executor, StoredRow
from ormolu.resources.http._requests import (
    check_body_headers,
    read_json_body,
    read_object,
    read_once,
    wishes_in,
)
from ormolu.resources.http._versions import read_versions
from ormolu.resources.work import ANY_VERSION, Versions
from ormolu.web import Privacy, Reply, Sent, note_privacy

__all__ = ["Call"]


class Call:
    """One request to a resource.

    Attributes:
        scope: The ASGI scope of the request.
        declaration: The declaration of the resource.
        executor: Runs the operations for this request.
    """

    __slots__ = ("_body", "_privacy", "_wishes", "declaration", "executor", "scope")

    def __init__(
        self,
        scope: Scope,
        body: Sent,
        declaration: Declaration,
        executor: Executor,
        privacy: Privacy | None = None,
    ) -> None:
        """Collect the headers; all else is read later.

        Args:
            scope: See the attribute.
            body: The body of the request.
            declaration: See the attribute.
            executor: See the attribute.
            privacy: The cache headers of answers that depend on policies; None without policies.
        """
        self.scope: Scope = scope
        self.declaration: Declaration = declaration
        self.executor: Executor = executor
        self._body = body
        self._privacy = privacy
        self._wishes = wishes_in(scope)

    @property
    def conditions(self) -> Conditions:
        """Return what If-Match and If-None-Match say."""
        wishes = self._wishes
        if b"if-match" not in wishes and b"if-none-match" not in wishes:
            return NO_CONDITIONS
        return read_conditions(wishes.get(b"if-match", ()), wishes.get(b"if-none-match", ()))

    @property
    def preferences(self) -> list[str]:
        """Return the Prefer headers."""
        return self._wishes.get(b"prefer", [])

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the query string's parameters, of which only these are known.

        Raises:
            RefusedError: One is unknown, or given twice.
        """
        query: bytes = self.scope["query_string"]
        return read_once(query, *known) if query else {}

    def versions(self, conditions: Conditions, *, is_required: bool = True) -> Versions:
        """Return what a write expects of the row.

        Args:
            conditions: Of the request.
            is_required: Whether this request needs an If-Match if the resource requires one.

        Raises:
            RefusedError: If-Match is required and not there, or the rows have no version.
        """
        if is_required and self.declaration.require_if_match and not conditions.has_match:
            message = "If-Match is required here: read the row, and send its ETag."
            raise RefusedError("precondition_required", message)
        if conditions is NO_CONDITIONS:
            return ANY_VERSION
        return read_versions(self.declaration, conditions)

    async def read_json(self, *, is_patch: bool = False) -> tuple[bytes, Any]:
        """Return the body, raw and as a value.

        Raises:
            RefusedError: It is too large, of another type, or no JSON.
        """
        check_body_headers(self._wishes, is_patch=is_patch)
        return await read_json_body(self._body)

    async def read_object(self, *, is_patch: bool = False) -> tuple[bytes, Mapping[str, Any]]:
        """Return the body, raw and as an object.

        Raises:
            RefusedError: It is too large, of another type, or no object.
        """
        raw, value = await self.read_json(is_patch=is_patch)
        return raw, read_object(value)

    def note_relations(self) -> None:
        """Set cache headers, since the answer depends on other models and their policies."""
        if self._privacy is not None:
            note_privacy(self.scope, self._privacy)

    def check_size(self, content: bytes, location: Location) -> None:
        """Check that an answer is not longer than the resource allows.

        Raises:
            RefusedError: It is.
        """
        if len(content) > self.declaration.max_bytes:
            Budget(*self.declaration.limits, location).check_body(content)

    def written(self, row: StoredRow, *, is_new: bool) -> Reply:
        """Return the answer for a row that was written."""
        return written_answer(self.scope, row, self.preferences, self.executor.variant, is_new)

    async def once(self, raw: bytes, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do the work, or return the earlier answer to the same Idempotency-Key.

        Raises:
            RefusedError: The key is wrong, or the resource keeps none.
        """
        header = self._wishes.get(b"idempotency-key")
        if header is None:
            return await work()
        if not self.declaration.idempotency:
            message = "Idempotency-Key is not kept here; send the request without it."
            raise refuse(("header", "idempotency-key"), "unknown_parameter", message)
        key = idempotency.read_key(header[0])
        executor = self.executor.in_session()
        url = Request(self.scope).url
        scope = f"{await executor.identity()} {self.scope['method']} {url.path.rstrip('/')}"
        parts = {"query": url.query, "prefer": ",".join(self.preferences)}
        payload = idempotency.payload_of(parts, raw)
        table = idempotency.idempotency_table(self.declaration.metadata)
        attempt = await idempotency.begin(executor.session, table, scope, key, payload)
        if isinstance(attempt, Reply):
            return attempt
        reply = await work()
        await idempotency.finish(executor.session, attempt, reply)
        return reply
