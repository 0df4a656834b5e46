"""Functions are called for a request as FastAPI calls them: how often, with what, and when."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any

import pytest
from fastapi import Cookie, Depends, Header, Query, Request, Response, Security
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from fastapi.security import APIKeyHeader, SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from ormolu.web._fastapi import is_awaited
from ormolu.web._steps import step_of

calls: list[str] = []


def told(name: str) -> str:
    calls.append(name)
    return name


async def base(token: Annotated[str, Header()]) -> str:
    return told(f"base {token}")


def threaded(known: Annotated[str, Depends(base)], n: Annotated[int, Query(ge=1)] = 1) -> str:
    return told(f"threaded {known} {n}")


async def fresh(known: Annotated[str, Depends(base, use_cache=False)]) -> str:
    return told(f"fresh {known}")


class Page(BaseModel):
    """Parameters that stand together."""

    size: int = 5


class Guard:
    """A dependency that is an object."""

    def __init__(self, word: str) -> None:
        self.word = word

    async def __call__(self, page: Annotated[Page, Query()], c: Annotated[str, Cookie()]) -> str:
        return told(f"{self.word} {page.size} {c}")


class Made:
    """A dependency that is a class."""

    def __init__(self, request: Request, connection: HTTPConnection, response: Response) -> None:
        assert request is connection
        response.headers["X-Made"] = told("made")


async def scoped(scopes: SecurityScopes) -> str:
    return told("scoped")


key = APIKeyHeader(name="X-Key", auto_error=False)


async def diamond(
    first: Annotated[str, Depends(threaded)],
    second: Annotated[str, Depends(fresh)],
    third: Annotated[str, Depends(Guard("guard"))],
    fourth: Annotated[Made, Depends()],
    fifth: Annotated[str | None, Depends(key)],
) -> str:
    return told(f"{first} {second} {third} {fifth}")


def request_with(query: bytes, headers: list[tuple[bytes, bytes]]) -> Request:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": headers,
                             "query_string": query, "path_params": {}}  # fmt: skip
    return Request(scope)


TOKEN = (b"token", b"t")
COOKIE = (b"cookie", b"c=d")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"n=3&size=7", [TOKEN, COOKIE, (b"x-key", b"k")]),
        (b"", [TOKEN, COOKIE]),
        (b"n=0", [TOKEN, COOKIE]),
        (b"size=x", [COOKIE]),
        (b"", []),
    ],
)
async def test_as_fastapi_does(query: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """The same calls, values, headers and errors."""
    dependant = get_dependant(path="/", call=diamond)
    step = step_of(dependant)
    assert step is not None
    calls.clear()
    response = Response()
    values, errors = await step.ask(request_with(query, headers), response, {})
    ours = [*calls]
    calls.clear()
    async with AsyncExitStack() as stack:
        request = request_with(query, headers)
        request.scope.update(fastapi_inner_astack=stack, fastapi_function_astack=stack)
        solved = await solve_dependencies(
            request=request, dependant=dependant, async_exit_stack=stack, embed_body_fields=False
        )
    assert ours == calls
    assert errors == solved.errors
    assert {each: values[each] for each in values if each != "fourth"} == {
        each: solved.values[each] for each in solved.values if each != "fourth"
    }
    assert response.headers.get("x-made") == solved.response.headers.get("x-made")


@pytest.mark.parametrize("call", [scoped, Security(scoped, scopes=["a"])])
def test_what_is_left_to_fastapi(call: Any) -> None:
    """Scopes of OAuth are its business."""
    given = call if isinstance(call, type(Security(scoped))) else Depends(call)

    async def endpoint(found: Any = given) -> None: ...

    assert step_of(get_dependant(path="/", call=endpoint)) is None


async def _of(_word: str) -> None: ...


def _wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def inner(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    return inner


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (base, True), (threaded, False), (Guard("a"), True), (Made, False),
        (functools.partial(_of, "a"), True), (_wrapped(base), True), (Guard("a").__call__, True),
        (functools.partial(threaded, n=1), False), (key, True),
    ],
)  # fmt: skip
def test_what_is_awaited(call: Any, *, expected: bool) -> None:
    """As FastAPI has it; everything else runs in a thread."""
    assert is_awaited(call) is expected
