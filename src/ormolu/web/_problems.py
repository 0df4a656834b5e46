"""Problem answers (RFC 9457): every error in one shape, by its code, without any value in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import NoResultFound, StatementError
from sqlalchemy.orm.exc import StaleDataError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ormolu.errors import RefusedError, UnavailableError
from ormolu.faults import fault_of
from ormolu.transactions import is_committed
from ormolu.web._constraints import Place, callers_of, find_place
from ormolu.web._exchange import is_run_again, tries_of
from ormolu.web._units import units_of

__all__ = ["PROBLEMS_KEY", "STATUSES", "Problem", "Problems", "problems_of"]

PROBLEMS_KEY = "ormolu.problems"

# Entries of an answer, and characters of a name or a sentence in it: a request may be of a megabyte
# that is all wrong.
_MOST_ENTRIES = 100
_MOST_OF_NAME = 200
_MOST_OF_TEXT = 1000

_log = logging.getLogger("ormolu")

# Kept with an error: that it was logged.
_TOLD = "ormolu_is_told"

# The status of each kind of fault; docs/errors.md is tested against it.
STATUSES: dict[str, int] = {
    "bad_request": 400,
    "busy": 503,
    "check_violation": 422,
    "database_unavailable": 503,
    "deadline_exceeded": 504,
    "exclusion_violation": 409,
    "forbidden": 403,
    "foreign_key_violation": 409,
    "idempotency_key_reused": 422,
    "in_flight": 409,
    "internal_error": 500,
    "invalid_value": 422,
    "malformed_json": 400,
    "not_found": 404,
    "not_null_violation": 422,
    "outcome_unknown": 503,
    "overloaded": 503,
    "pooler": 500,
    "precondition_failed": 412,
    "precondition_required": 428,
    "read_only_database": 503,
    "rejected": 422,
    "schema_mismatch": 500,
    "storage_full": 507,
    "timeout": 504,
    "too_complex": 422,
    "too_large": 413,
    "unique_violation": 409,
    "unsupported_media_type": 415,
    "validation_error": 422,
}

_DETAILS: dict[str, str] = {
    "busy": "The data is being changed by others. Try again.",
    "check_violation": "{Fields} has a value that is not allowed.",
    "database_unavailable": "The database is not available. Try again.",
    "deadline_exceeded": "The request took too long, and was given up.",
    "exclusion_violation": "{A_noun} in conflict with this one already exists.",
    "forbidden": "This change is not allowed.",
    "foreign_key_violation": "A row that this one refers to does not exist, or others refer to it.",
    "invalid_value": "{Fields} has a value that cannot be stored.",
    "not_null_violation": "{Fields} is required.",
    "outcome_unknown": "The connection broke while storing. Check before you try again.",
    "overloaded": "Too many requests at once. Try again.",
    "read_only_database": "The database takes no changes at the moment. Try again.",
    "rejected": "The database rejected the change.",
    "storage_full": "The database has no space left.",
    "timeout": "The database took too long.",
    "too_complex": "The request is too complex.",
    "too_large": "The request is too large.",
    "unique_violation": "{A_noun} with this {fields} already exists.",
}

_HINTS = {
    "pooler": 'write Database(url, pooler="transaction")',
    "schema_mismatch": "is a migration missing?",
}

_ENTRIES: dict[str, tuple[str, str]] = {
    "check_violation": ("check", "not allowed"),
    "exclusion_violation": ("exclusion", "in conflict"),
    "foreign_key_violation": ("foreign_key", "no such row"),
    "invalid_value": ("invalid", "cannot be stored"),
    "not_null_violation": ("missing", "required"),
    "unique_violation": ("unique", "already exists"),
}

Handler = Callable[[Request, Exception], Awaitable[Response]]

_STALE = "The row was changed or deleted meanwhile. Read it again."

_RETRY_AFTER = {"Retry-After": "1"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error answer.

    Attributes:
        status: HTTP status.
        code: Stable name of the error, a section of docs/errors.md.
        detail: A sentence for a person.
        errors: One entry per field: pointer, loc, type, msg.
        headers: More headers of the answer.
        extra: More members of the body.
    """

    status: int
    code: str
    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Problems:
    """Makes the problem answers of one application.

    Attributes:
        base_url: What `type` starts with; the code follows.
    """

    base_url: str = "urn:ormolu:problem:"

    def answer(self, request: Request, problem: Problem) -> Response:
        """Return the answer for a problem of this request."""
        return JSONResponse(
            self.body(request, problem),
            status_code=problem.status,
            headers={**problem.headers},
            media_type="application/problem+json",
        )

    def body(self, request: Request, problem: Problem) -> dict[str, Any]:
        """Return the members of a problem of this request."""
        body: dict[str, Any] = {
            "type": f"{self.base_url}{problem.code}",
            "title": _title(problem.status),
            "status": problem.status,
            "code": problem.code,
            "detail": _shortened(problem.detail, _MOST_OF_TEXT),
            "instance": _shortened(request.scope["path"], _MOST_OF_TEXT),
        }
        if problem.errors:
            body["errors"] = list(problem.errors[:_MOST_ENTRIES])
        return {**problem.extra, **body}

    def body_of(self, request: Request, error: Exception) -> dict[str, Any]:
        """Return the members of the problem for an error of one part of a request."""
        return self.body(request, _problem_of(request, error))

    def handlers(self) -> dict[type[Exception], Handler]:
        """Return the handler of each class of error; for an error the closest class wins."""
        return {
            Exception: self.answer_internal_error,
            HTTPException: self.answer_http_exception,
            NoResultFound: _After(self.answer_not_found),
            RefusedError: self.answer_refusal,
            RequestValidationError: self.answer_invalid_request,
            StaleDataError: _After(self.answer_stale_data),
            StatementError: _After(self.answer_database_error),
            UnavailableError: _After(self.answer_database_error),
        }

    async def answer_database_error(self, request: Request, error: Exception) -> Response:
        """Answer an error of the database; one that is the application's own is raised again.

        Raises:
            Exception: The error itself, if its status is 500: the server logs its traceback.
        """
        if is_run_again(request.scope, error):
            # Nobody gets this answer.
            return Response(status_code=503)
        problem = _database_problem(request, error)
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error
        return self.answer(request, problem)

    async def answer_refusal(self, request: Request, error: Exception) -> Response:
        """Answer what a resource refuses."""
        return self.answer(request, _problem_of(request, error))

    async def answer_not_found(self, request: Request, _error: Exception) -> Response:
        """Answer that no row was found, by the name of the model that was asked for."""
        names = [unit.last_entity for unit in units_of(request.scope).values() if unit.last_entity]
        detail = f"{names[0]} not found" if names else "Not found"
        return self.answer(request, Problem(status=404, code="not_found", detail=detail))

    async def answer_stale_data(self, request: Request, _error: Exception) -> Response:
        """Answer that somebody else changed or deleted the row meanwhile."""
        return self.answer(request, Problem(status=409, code="stale_data", detail=_STALE))

    async def answer_http_exception(self, request: Request, error: Exception) -> Response:
        """Answer an HTTPException in the shape of a problem."""
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code < HTTPStatus.BAD_REQUEST:
            return Response(status_code=error.status_code, headers=headers)
        title = _title(error.status_code)
        is_text = isinstance(error.detail, str)
        problem = Problem(
            status=error.status_code,
            code=re.sub(r"\W+", "_", title).lower(),
            detail=error.detail if is_text else title,
            headers=headers,
            extra={} if is_text else {"info": error.detail},
        )
        return self.answer(request, problem)

    async def answer_invalid_request(self, request: Request, error: Exception) -> Response:
        """Answer FastAPI's validation errors: where and what, without the values sent."""
        assert isinstance(error, RequestValidationError)
        entries = [_validation_entry(item) for item in error.errors()[:_MOST_ENTRIES]]
        first = ".".join(map(str, entries[0]["loc"])) if entries else ""
        detail = f"{first}: {entries[0]['msg']}" if entries else "The request is invalid."
        problem = Problem(status=422, code="validation_error", detail=detail, errors=entries)
        return self.answer(request, problem)

    async def answer_internal_error(self, request: Request, _error: Exception) -> Response:
        """Answer what nothing else answers, without a word of the error."""
        problem = Problem(status=500, code="internal_error", detail="Internal Server Error")
        return self.answer(request, problem)

    async def answer_failed_commit(self, request: Request, error: Exception) -> Response:
        """Answer with the application's own handler of the error, but never with a success.

        Raises:
            Exception: The error itself, if nothing handles it.
        """
        handler = next(_handlers_of(request, error), None)
        if handler is None:
            raise error
        response = await _call(handler, request, error)
        if isinstance(response, Response) and not is_committed(response.status_code):
            return response
        _log.error("The handler of %s answers a failed COMMIT with success.", type(error).__name__)
        return await self.answer_database_error(request, error)


def problems_of(request: Request) -> Problems:
    """Return what makes the problems of the application that a request goes to."""
    problems = request.scope.get(PROBLEMS_KEY)
    return problems if isinstance(problems, Problems) else Problems()


@dataclass(frozen=True)
class _After:
    """A handler of ours, after the application's own handler of one of the error's base classes.

    An application that answers all of SQLAlchemy's errors has not registered each of them.
    """

    handler: Handler

    async def __call__(self, request: Request, error: Exception) -> Response:
        for handler in _handlers_of(request, error):
            if not isinstance(handler, _After):
                return await _call(handler, request, error)
        return await self.handler(request, error)


def _handlers_of(request: Request, error: Exception) -> Iterator[Handler]:
    """Yield the handlers of the error's classes, the closest first, but that of crashes."""
    outside: Any = (getattr(request.scope.get("app"), "exception_handlers", {}), {})
    handlers, _ = request.scope.get("starlette.exception_handlers", outside)
    known = handlers.keys() - {Exception}
    return (handlers[kind] for kind in type(error).__mro__ if kind in known)


async def _call(handler: Handler, request: Request, error: Exception) -> Response:
    if iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__):
        return await handler(request, error)
    return await run_in_threadpool(handler, request, error)  # type: ignore[arg-type]


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _problem_of(request: Request, error: Exception) -> Problem:
    if isinstance(error, StaleDataError):
        return Problem(status=409, code="stale_data", detail=_STALE)
    if not isinstance(error, RefusedError):
        return _database_problem(request, error)
    entries = [_validation_entry(entry) for entry in error.entries[:_MOST_ENTRIES]]
    location = getattr(error, "ormolu_location", None)
    if location is not None and not entries:
        entries = [_validation_entry({"loc": location, "type": error.code, "msg": str(error)})]
    is_passing = error.code in {"busy", "in_flight"}
    return Problem(
        status=STATUSES[error.code],
        code=error.code,
        detail=str(error),
        errors=entries,
        headers=_RETRY_AFTER if is_passing else {},
    )


def _database_problem(request: Request, error: Exception) -> Problem:
    fields: Sequence[str] = ()
    if isinstance(error, UnavailableError):
        kind, place = error.error_code, Place()
        _tell(request, error, error)
    else:
        fault = fault_of(error)
        kind = fault.kind
        metadatas = (engines.metadata for engines in units_of(request.scope))
        place = find_place(fault, metadatas, callers_of(request.scope))
        hint = f" ({_HINTS[kind]})" if kind in _HINTS else ""
        fields = () if fault.is_referenced else place.fields
        _tell(request, error, f"{fault}{hint}")
    status = STATUSES[kind]
    is_transient = status == HTTPStatus.SERVICE_UNAVAILABLE and kind != "outcome_unknown"
    return Problem(
        status=status,
        code=kind,
        detail=_detail(kind, place),
        errors=_field_entries(kind, fields, getattr(error, "ormolu_location", None)),
        headers=_RETRY_AFTER if is_transient else {},
    )


def _tell(request: Request, error: Exception, words: object) -> None:
    """Log an error once: one that is raised again comes by here again, on its way out."""
    if not getattr(error, _TOLD, False):
        setattr(error, _TOLD, True)
        tries = tries_of(request.scope)
        often = f" (tried {tries} times)" if tries > 1 else ""
        _log.warning("%s: %s%s", _operation(request), words, often)


def _operation(request: Request) -> str:
    """Name the route, not the path: a path may hold values."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '?')}"


def _detail(kind: str, place: Place) -> str:
    fields = " and ".join(place.fields) or "value"
    capital = fields if place.fields else "A field"
    noun = place.noun or "row"
    article = "An" if noun[0] in "aeio" else "A"
    template = _DETAILS.get(kind, "Internal Server Error")
    return template.format(A_noun=f"{article} {noun}", fields=fields, Fields=capital)


def _field_entries(
    kind: str, names: Sequence[str], location: Sequence[str | int] | None
) -> list[dict[str, Any]]:
    """Return an entry per field; the location is that of the operation in a batch that failed."""
    type_, message = _ENTRIES.get(kind, (kind, "failed"))
    if location is not None and not names:
        return [_validation_entry({"loc": location, "type": type_, "msg": message})]
    where = ["body"] if location is None else [*location, "data"]
    return [
        _validation_entry({"loc": [*where, name], "type": type_, "msg": message})
        for name in names
        if kind in _ENTRIES
    ]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _validation_entry(item: Mapping[str, Any]) -> dict[str, Any]:
    loc = [_shortened(part, _MOST_OF_NAME) if isinstance(part, str) else part
           for part in item["loc"][:_MOST_ENTRIES]]  # fmt: skip
    entry = {"loc": loc, "type": item["type"], "msg": _shortened(item["msg"], _MOST_OF_TEXT)}
    if loc[:1] == ["body"]:
        path = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in loc[1:])
        return {"pointer": path, **entry}
    return entry
