"""The routes of a resource: a thin face on its operations.

Each endpoint reads its request, calls one operation and makes the answer; errors are raised, and
answered where all errors are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from ormolu.errors import RefusedError
from ormolu.query import Selection, read_selection, refuse, shown
from ormolu.resources import _idempotency as idempotency
from ormolu.resources._answers import (
    encode,
    headers_of,
    list_answer,
    path_of,
    read_answer,
    variant_of,
    written_answer,
)
from ormolu.resources._batches import Failure, Outcome, read_batch, run_batch
from ormolu.resources._conditions import (
    Conditions,
    check_version,
    prefers_minimal,
    read_conditions,
)
from ormolu.resources._declaration import Declaration
from ormolu.resources._exposures import Exposure, Policies
from ormolu.resources._idempotency import Answer
from ormolu.resources._lists import read_members, read_parameters
from ormolu.resources._operations import Operations
from ormolu.resources._requests import (
    RequestBody,
    may_have_slash,
    read_body,
    read_key,
    read_key_value,
    read_object,
    read_query,
)
from ormolu.resources._writes import Written
from ormolu.sessions import engine_of
from ormolu.web import Privacy, note_privacy, problems_of

__all__ = ["Call", "Endpoint", "endpoints_of"]

Handler = Callable[["Call"], Awaitable[Answer]]


@dataclass(frozen=True)
class Endpoint:
    """One operation at one method and path.

    Attributes:
        name: Of the operation; its function's name and operation id derive from it.
        path: Path relative to the resource's, with a parameter per key.
        methods: The documented method first.
        status: What a success is documented as.
        needs: The operations of the declaration that bring it.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    status: int
    needs: str
    handler: Handler


class Call:
    """One request to a resource.

    Attributes:
        privacy: What answers that depend on its policies tell caches; None without any.
    """

    privacy: Privacy | None = None

    def __init__(
        self,
        request: Request,
        body: RequestBody,
        session: AsyncSession,
        exposure: Exposure,
        policies: Policies,
    ) -> None:
        self.request = request
        self.body = body
        self.session = session
        self._exposure = exposure
        self.declaration = exposure.declaration
        self.operations = Operations(exposure, session, policies)
        self._policy = exposure.policy(policies)

    @property
    def key(self) -> tuple[Any, ...]:
        """Return the primary key in the path."""
        return read_key(self.request.scope, self.declaration.keys, self.declaration.name)

    @property
    def conditions(self) -> Conditions:
        """Return what If-Match and If-None-Match say."""
        headers = self.request.headers
        return read_conditions(headers.getlist("if-match"), headers.getlist("if-none-match"))

    @property
    def prefers_minimal(self) -> bool:
        """Tell whether Prefer asks for no body."""
        return prefers_minimal(self.request.headers.getlist("prefer"))

    @property
    def variant(self) -> str:
        """Return what tells the form of a whole row apart: who is shown less has another tag."""
        return variant_of(self.operations.view, self._exposure.view(None))

    def note_policies(self) -> None:
        """Note that the answer depends on policies: the resource's own, or of its relations."""
        if self.privacy is not None:
            note_privacy(self.request.scope, self.privacy)

    def versions(self, conditions: Conditions) -> Any:
        """Return what a write expects of the row.

        Raises:
            RefusedError: If-Match is required and not there.
        """
        if self.declaration.require_if_match and not conditions.has_match:
            message = "If-Match is required here: read the row, and send its ETag."
            raise RefusedError("precondition_required", message)
        return self.operations.read_versions(conditions)

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the query string's parameters, of which only these are known.

        Raises:
            RefusedError: One is unknown, or given twice.
        """
        found = {}
        for name, values in read_query(self.request.scope).items():
            if name not in known:
                raise refuse(("query", name), "unknown_parameter", f"There is no {name!r} here")
            if len(values) > 1:
                raise refuse(("query", name), "repeated", f"Is given {len(values)} times")
            found[name] = values[0]
        return found

    def written(self, written: Written, *, is_new: bool) -> Answer:
        """Return the answer for a row that was written."""
        body = self.shown(written.row)
        return written_answer(self.request, written, body, is_new=is_new, variant=self.variant)

    def shown(self, row: Mapping[str, Any]) -> Any:
        """Return what an answer shows of a row that was written."""
        view = self.operations.view
        return shown(Selection(view, view.members), dict(row))

    async def once(self, raw: bytes, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work, or give the answer again that this Idempotency-Key had already.

        Raises:
            RefusedError: The key is wrong, or the resource keeps none.
        """
        header = self.request.headers.get("idempotency-key")
        if header is None:
            return await work()
        if not self.declaration.idempotency:
            message = "Idempotency-Key is not kept here; send the request without it."
            raise refuse(("header", "idempotency-key"), "unknown_parameter", message)
        key = idempotency.read_key(header)
        dialect = (await engine_of(self.session)).dialect
        request = self.request
        path = request.url.path.rstrip("/")
        scope = f"{self._policy.identity(dialect)} {request.method} {path}"
        parts = {"query": request.url.query, "prefer": ",".join(request.headers.getlist("prefer"))}
        payload = idempotency.payload_of(parts, raw)
        table = idempotency.idempotency_table(self.declaration.metadata)
        attempt = await idempotency.begin(self.session, table, scope, key, payload)
        if isinstance(attempt, Answer):
            headers = {**attempt.headers, "Idempotency-Replayed": "true"}
            return Answer(attempt.status, headers, attempt.body)
        answer = await work()
        await idempotency.finish(self.session, attempt, answer)
        return answer


async def _list(call: Call) -> Answer:
    operations = call.operations
    query = read_parameters(operations.view, read_query(call.request.scope), operations.limits)
    conditions = call.conditions
    answer = await _page(call, query)
    if conditions.versions is not None:
        raise RefusedError("precondition_failed", "A list has no tag to compare If-Match with.")
    return Answer(304, {}, b"") if conditions.is_absent else answer


async def _query(call: Call) -> Answer:
    call.parameters()
    _, body = await read_body(call.request, call.body)
    operations = call.operations
    query = read_members(operations.view, read_object(body), operations.limits)
    return await _page(call, query)


async def _page(call: Call, query: Any) -> Answer:
    if query.is_over_relations:
        call.note_policies()
    page = await call.operations.fetch(query)
    items = [shown(query.selection, row) for row in page.items]
    answer = list_answer(call.request, page, items)
    call.operations.budget(query.location).check_body(answer.body)
    return answer


async def _read(call: Call) -> Answer:
    given = call.parameters("fields", "include")
    view = call.operations.view
    locations = (("query", "fields"), ("query", "include"))
    selection = read_selection(view, given.get("fields"), given.get("include"), locations)
    key, conditions = call.key, call.conditions
    row, version, truncated = await call.operations.read(key, selection)
    check_version(conditions, version)
    if selection.children:
        call.note_policies()
    content = encode(shown(selection, row))
    call.operations.budget(("query",)).check_body(content)
    variant = None if given else call.variant
    return read_answer(content, version, truncated, conditions, variant)


async def _create(call: Call) -> Answer:
    given = call.parameters("on_conflict", "on_match")
    conditions = call.conditions
    if conditions.has_match:
        message = "If-Match cannot hold for a row that is not there yet."
        raise RefusedError("precondition_failed", message)
    if "on_match" in given and "on_conflict" not in given:
        raise refuse(("query", "on_match"), "missing", "Needs on_conflict")
    if given.get("on_match", "update") not in {"update", "ignore"}:
        raise refuse(("query", "on_match"), "literal_error", "Must be update or ignore")
    is_ignored = given.get("on_match") == "ignore"
    if "on_conflict" in given:
        call.operations.check_upsert(("query",), is_ignored=is_ignored)
    raw, body = await read_body(call.request, call.body)
    values, versions = read_object(body), call.operations.read_versions(conditions)

    async def work() -> Answer:
        if "on_conflict" not in given:
            written, is_new = await call.operations.create(values), True
        else:
            written, is_new = await call.operations.upsert(
                values, given["on_conflict"].split(","), ignore=is_ignored, versions=versions
            )
        return call.written(written, is_new=is_new)

    return await call.once(raw, work)


async def _update(call: Call) -> Answer:
    call.parameters()
    raw, body = await read_body(call.request, call.body, is_patch=True)
    key, values = call.key, read_object(body)
    versions = call.versions(call.conditions)

    async def work() -> Answer:
        written = await call.operations.update(key, values, versions=versions)
        return call.written(written, is_new=False)

    return await call.once(raw, work)


async def _replace(call: Call) -> Answer:
    call.parameters()
    raw, body = await read_body(call.request, call.body)
    key, values, conditions = call.key, read_object(body), call.conditions
    find_versions = call.operations.read_versions if conditions.is_absent else call.versions
    versions = find_versions(conditions)

    async def work() -> Answer:
        written, is_new = await call.operations.replace(key, values, versions=versions)
        return call.written(written, is_new=is_new)

    return await call.once(raw, work)


async def _delete(call: Call) -> Answer:
    call.parameters()
    key, versions = call.key, call.versions(call.conditions)

    async def work() -> Answer:
        await call.operations.remove(key, versions=versions)
        return Answer(204, {}, b"")

    return await call.once(b"", work)


async def _batch(call: Call) -> Answer:
    call.parameters()
    if call.conditions.has_match:
        message = "If-Match cannot hold for many rows: give each operation its if_match."
        raise RefusedError("precondition_failed", message)
    raw, body = await read_body(call.request, call.body)
    declaration, operations = call.declaration, call.operations
    allowed = [name for name in ("create", "update", "delete") if name in declaration.operations]
    allowed += ["upsert"] if declaration.on_match else []
    steps, is_atomic = read_batch(
        body,
        operations,
        lambda value, location: read_key_value(value, declaration.keys, location, declaration.name),
        allowed,
    )

    async def work() -> Answer:
        done = await run_batch(call.session, operations, steps, is_atomic=is_atomic)
        is_minimal = call.prefers_minimal
        results = [_result(call, each, is_minimal=is_minimal) for each in done]
        headers = {"Preference-Applied": "return=minimal"} if is_minimal else {}
        status = 207 if any(isinstance(each, Failure) for each in done) else 200
        return Answer(status, headers, encode({"results": results}))

    return await call.once(raw, work)


def _result(call: Call, done: Outcome | Failure, *, is_minimal: bool) -> dict[str, Any]:
    if isinstance(done, Failure):
        body = problems_of(call.request).body_of(call.request, done.error)
        return {"status": body["status"], "body": body}
    if done.written is None:
        return {"status": done.status}
    written = done.written
    result: dict[str, Any] = {"status": done.status}
    tag = headers_of(written.version, call.variant).get("ETag")
    if tag is not None:
        result["etag"] = tag
    if done.status == 201:
        result["location"] = path_of(call.request.scope, written.key)
    return result if is_minimal else {**result, "body": call.shown(written.row)}


def endpoints_of(declaration: Declaration) -> list[Endpoint]:
    """Return the endpoints that a declaration asks for."""
    item = "/" + ",".join(
        f"{{{name}:path}}" if may_have_slash(field) else f"{{{name}}}"
        for name, field in zip(declaration.places, declaration.keys, strict=True)
    )
    endpoints = [
        Endpoint("list", "", ("GET", "HEAD"), 200, "list", _list),
        Endpoint("query", "", ("QUERY",), 200, "list", _query),
        Endpoint("query", ":query", ("POST",), 200, "list", _query),
        Endpoint("create", "", ("POST",), 201, "create", _create),
        Endpoint("batch", ":batch", ("POST",), 200, "batch", _batch),
        Endpoint("read", item, ("GET", "HEAD"), 200, "read", _read),
        Endpoint("update", item, ("PATCH",), 200, "update", _update),
        Endpoint("replace", item, ("PUT",), 200, "replace", _replace),
        Endpoint("delete", item, ("DELETE",), 204, "delete", _delete),
    ]
    return [
        endpoint
        for endpoint in endpoints
        if endpoint.needs in declaration.operations
        and (endpoint.needs != "replace" or declaration.has_client_keys)
    ]
