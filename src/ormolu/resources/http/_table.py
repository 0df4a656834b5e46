"""The table of operations, from which routes, doors and the OpenAPI document are made.

A new operation is a row here and a handler, and a work if lanes can run it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from ormolu.resources.declare import Declaration
from ormolu.resources.http import _handlers as handlers
from ormolu.resources.http._call import Call
from ormolu.resources.http._read_works import ListWork, ReadWork
from ormolu.resources.http._requests import may_have_slash
from ormolu.resources.http._works import Work, WorkContext
from ormolu.resources.http._write_works import CreateWork, DeleteWork, ReplaceWork, UpdateWork
from ormolu.web import Reply

__all__ = ["TABLE", "Operation", "offered_by"]

# The placeholder for the parameters of the key.
_KEY = "/{}"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation at one path.

    Attributes:
        name: The beginning of its operation id and of its function's name.
        methods: HTTP methods, the documented one first.
        path: Path after the resource's.
        needs: The operation of a declaration that includes it.
        handler: Answers its requests.
        work: Makes the plans that lanes run; None if only a session can run it.
        summary: Summary in the document, with a placeholder for the model's name.
        status: Status of a normal success.
        query: What its query string may contain.
        takes: What its body is.
        gives: What its answer is.
        matches: The conditional headers that it reads.
        problems: Statuses of its errors.
    """

    name: str
    methods: tuple[str, ...]
    path: str = ""
    needs: str
    handler: Callable[[Call], Awaitable[Reply]]
    work: Callable[[WorkContext], Work] | None = None
    summary: str
    status: int = 200
    query: Literal["selection", "page", "upsert"] | None = None
    takes: Literal["row", "changes", "query", "steps"] | None = None
    gives: Literal["row", "page", "results"] | None = None
    matches: tuple[str, ...] = ()
    problems: tuple[int, ...]

    @property
    def is_read(self) -> bool:
        """Tell whether it never changes anything."""
        return self.needs in {"list", "read"}

    @property
    def is_of_row(self) -> bool:
        """Tell whether its path has a key."""
        return "{" in self.path


# Of any request: others are in the way or too many, and a deadline, be it the database's own.
_WAITING = (503, 504)
_TAKING = (400, 413, 415, 422, *_WAITING)
_WRITING = (400, 403, 409, 412, 422, 428, *_WAITING, 507)

TABLE = (
    Operation(
        name="list", methods=("GET", "HEAD"), needs="list", handler=handlers.list_, work=ListWork,
        summary="List, filter, sort and page {} rows", query="page", gives="page",
        problems=(422, *_WAITING),
    ),
    Operation(
        name="query", methods=("QUERY",), needs="list", handler=handlers.query,
        summary="The same, asked for in a body", takes="query", gives="page", problems=_TAKING,
    ),
    Operation(
        name="query", methods=("POST",), path=":query", needs="list", handler=handlers.query,
        summary="The same, asked for in a body", takes="query", gives="page", problems=_TAKING,
    ),
    Operation(
        name="create", methods=("POST",), needs="create", handler=handlers.create, work=CreateWork,
        summary="Create {}", status=201, query="upsert", takes="row", gives="row",
        problems=(*_TAKING, *_WRITING),
    ),
    Operation(
        name="batch", methods=("POST",), path=":batch", needs="batch", handler=handlers.batch,
        summary="Many changes of {} at once", takes="steps", gives="results",
        problems=(*_TAKING, *_WRITING, 404),
    ),
    Operation(
        name="read", methods=("GET", "HEAD"), path=_KEY, needs="read", handler=handlers.read,
        work=ReadWork, summary="Read {}", query="selection", gives="row",
        matches=("If-None-Match",), problems=(400, 404, 412, 422, *_WAITING),
    ),
    Operation(
        name="update", methods=("PATCH",), path=_KEY, needs="update", handler=handlers.update,
        work=UpdateWork, summary="Change {}", takes="changes", gives="row", matches=("If-Match",),
        problems=(*_TAKING, *_WRITING, 404),
    ),
    Operation(
        name="replace", methods=("PUT",), path=_KEY, needs="replace", handler=handlers.replace,
        work=ReplaceWork, summary="Create or replace {}", takes="row", gives="row",
        matches=("If-Match", "If-None-Match"), problems=(*_TAKING, *_WRITING, 404),
    ),
    Operation(
        name="delete", methods=("DELETE",), path=_KEY, needs="delete", handler=handlers.remove,
        work=DeleteWork, summary="Delete {}", status=204, matches=("If-Match",),
        problems=(*_WRITING, 404),
    ),
)  # fmt: skip


def offered_by(declaration: Declaration) -> list[Operation]:
    """Return the operations of a declaration, with the parameters of its key in their paths."""
    key = "/" + ",".join(
        f"{{{name}:path}}" if may_have_slash(field) else f"{{{name}}}"
        for name, field in zip(declaration.path_parameters, declaration.keys, strict=True)
    )
    return [
        replace(operation, path=key) if operation.is_of_row else operation
        for operation in TABLE
        if operation.needs in declaration.operations
        and (operation.needs != "replace" or declaration.has_client_keys)
    ]
