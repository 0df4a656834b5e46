"""The handlers of a resource's operations.

A handler reads the request, lets its executor run the operation, and makes the answer. It does not
know whether that is a lane or the request's session. Errors are raised, and answered elsewhere.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from ormolu.errors import RefusedError
from ormolu.query import refuse
from ormolu.resources.http._answers import headers_of, json_reply, page_answer, path_of, row_answer
from ormolu.resources.http._batches import Failure, Outcome, read_batch, run_batch
from ormolu.resources.http._call import Call
from ormolu.resources.http._conditions import check_version, prefers_minimal
from ormolu.resources.http._executors import ParsedQuery
from ormolu.resources.http._requests import read_key_value
from ormolu.resources.work import encode, read_members
from ormolu.web import Reply, problems_of

__all__ = ["batch", "create", "list_", "query", "read", "remove", "replace", "update"]


async def list_(call: Call) -> Reply:
    """Answer with the page that the query string asks for."""
    parsed, conditions = call.executor.parse_page_query(call.scope), call.conditions
    reply = await _page(call, parsed, "query")
    if conditions.versions is not None:
        raise RefusedError("precondition_failed", "A list has no tag to compare If-Match with.")
    return Reply(304, [], b"") if conditions.is_absent else reply


async def query(call: Call) -> Reply:
    """Answer with the page that the body asks for."""
    call.parameters()
    _, body = await call.read_object()
    operations = call.executor.in_session().operations
    return await _page(call, read_members(operations.view, body, operations.limits), "body")


async def _page(call: Call, parsed: ParsedQuery, location: str) -> Reply:
    if parsed.reads_relations:
        call.note_relations()
    reply = page_answer(call.scope, await call.executor.page(parsed))
    call.check_size(reply.body, (location,))
    return reply


async def read(call: Call) -> Reply:
    """Answer with one row."""
    executor = call.executor
    parsed = executor.parse_row_query(call.scope["query_string"])
    key, conditions = executor.key(call.scope), call.conditions
    row = await executor.row(parsed, key)
    check_version(conditions, row.version)
    if parsed.reads_relations:
        call.note_relations()
    call.check_size(row.content, ("query",))
    return row_answer(row, conditions, executor.variant if parsed.is_whole else None)


async def create(call: Call) -> Reply:
    """Store a new row; with `on_conflict` maybe change an existing one."""
    given, conditions = call.parameters("on_conflict", "on_match"), call.conditions
    if conditions.has_match:
        message = "If-Match cannot hold for a row that is not there yet."
        raise RefusedError("precondition_failed", message)
    if given:
        _check_upsert(call, given)
    raw, values = await call.read_object()
    versions = call.versions(conditions, is_required=False)

    async def work() -> Reply:
        if not given:
            return call.written(await call.executor.create(values), is_new=True)
        executor = call.executor.in_session()
        written, is_new = await executor.operations.upsert(
            values, given["on_conflict"].split(","), ignore=given.get("on_match") == "ignore",
            versions=versions,
        )  # fmt: skip
        return call.written(executor.stored(written), is_new=is_new)

    return await call.once(raw, work)


def _check_upsert(call: Call, given: dict[str, str]) -> None:
    if "on_conflict" not in given:
        raise refuse(("query", "on_match"), "missing", "Needs on_conflict")
    if given.get("on_match", "update") not in {"update", "ignore"}:
        raise refuse(("query", "on_match"), "literal_error", "Must be update or ignore")
    operations = call.executor.in_session().operations
    operations.check_upsert(("query",), is_ignored=given.get("on_match") == "ignore")


async def update(call: Call) -> Reply:
    """Change some values of a row."""
    call.parameters()
    raw, values = await call.read_object(is_patch=True)
    key, versions = call.executor.key(call.scope), call.versions(call.conditions)

    async def work() -> Reply:
        return call.written(await call.executor.update(key, values, versions), is_new=False)

    return await call.once(raw, work)


async def replace(call: Call) -> Reply:
    """Create or replace the row with the key in the path."""
    call.parameters()
    raw, values = await call.read_object()
    key, conditions = call.executor.key(call.scope), call.conditions
    versions = call.versions(conditions, is_required=not conditions.is_absent)

    async def work() -> Reply:
        row, is_new = await call.executor.replace(key, values, versions)
        return call.written(row, is_new=is_new)

    return await call.once(raw, work)


async def remove(call: Call) -> Reply:
    """Delete a row."""
    call.parameters()
    key, versions = call.executor.key(call.scope), call.versions(call.conditions)

    async def work() -> Reply:
        await call.executor.remove(key, versions)
        return Reply(204, [], b"")

    return await call.once(b"", work)


async def batch(call: Call) -> Reply:
    """Do many operations in one transaction."""
    call.parameters()
    if call.conditions.has_match:
        message = "If-Match cannot hold for many rows: give each operation its if_match."
        raise RefusedError("precondition_failed", message)
    raw, body = await call.read_json()
    declaration, executor = call.declaration, call.executor.in_session()
    allowed = [name for name in ("create", "update", "delete") if name in declaration.operations]
    allowed += ["upsert"] if declaration.on_match else []
    steps, is_atomic = read_batch(
        body,
        executor.operations,
        lambda value, location: read_key_value(value, declaration.keys, location, declaration.name),
        allowed,
    )

    async def work() -> Reply:
        done = await run_batch(executor.session, executor.operations, steps, is_atomic=is_atomic)
        is_minimal = prefers_minimal(call.preferences)
        results = [_result(call, each, is_minimal=is_minimal) for each in done]
        headers = {"Preference-Applied": "return=minimal"} if is_minimal else {}
        status = 207 if any(isinstance(each, Failure) for each in done) else 200
        return json_reply(status, headers, encode({"results": results}))

    return await call.once(raw, work)


def _result(call: Call, done: Outcome | Failure, *, is_minimal: bool) -> dict[str, Any]:
    if isinstance(done, Failure):
        request = Request(call.scope)
        body = problems_of(request).body_of(request, done.error)
        return {"status": body["status"], "body": body}
    if done.written is None:
        return {"status": done.status}
    written, executor = done.written, call.executor.in_session()
    result: dict[str, Any] = {"status": done.status}
    tag = headers_of(written.version, executor.variant).get("ETag")
    if tag is not None:
        result["etag"] = tag
    if done.status == 201:
        result["location"] = path_of(call.scope, written.key)
    return result if is_minimal else {**result, "body": executor.shown(written)}
