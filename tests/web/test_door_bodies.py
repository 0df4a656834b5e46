"""What doors read of a body, and that whoever comes after them reads the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.types import Message

from ormolu.resources.http._requests import MAX_BODY
from ormolu.web._door import Body
from tests.fixtures.apps import client_of
from tests.web.doors import (
    ANSWERED,
    HANDED_OVER,
    SHUT,
    Exchange,
    Passages,
    app_with,
    part,
)

pytestmark = pytest.mark.backends("sqlite")


async def _posted(url: str, *messages: Any, has_doors: bool = True, **scope: Any) -> Exchange:
    app = app_with(url)
    if not has_doors:
        app.dependency_overrides = SHUT
    async with client_of(app):
        return await Exchange(app, "POST", "/notes", *messages, **scope).run()


async def test_chunked_body(database_url: str, passages: Passages) -> None:
    """A body in parts, some of them empty, is one body."""
    parts = [
        part(b'{"te', more=True),
        part(b"", more=True),
        part(b'xt":"a"}', more=True),
        part(b""),
    ]
    done = await _posted(database_url, *parts)
    assert (done.status, json.loads(done.body)) == (201, {"id": 1, "text": "a"})
    assert passages.take() == [ANSWERED]


@pytest.mark.parametrize(("extra", "status"), [(0, 201), (1, 413)])
async def test_largest_body(database_url: str, passages: Passages, extra: int, status: int) -> None:
    """A body of exactly the limit is read; with one byte more the route refuses it."""
    content = b'{"text":"a"}'.ljust(MAX_BODY + extra)
    middle = MAX_BODY // 2
    done = await _posted(database_url, part(content[:middle], more=True), part(content[middle:]))
    assert done.status == status
    assert passages.take() == [ANSWERED if status == 201 else HANDED_OVER]


async def test_empty_body(database_url: str, passages: Passages) -> None:
    """Is refused by the route."""
    done = await _posted(database_url, part(b""))
    assert (done.status, json.loads(done.body)["code"]) == (400, "malformed_json")
    assert passages.take() == [HANDED_OVER]


async def test_client_leaves_in_mid_body(database_url: str, passages: Passages) -> None:
    """The route learns of it as without a door, nothing is raised, and nothing is stored."""
    app = app_with(database_url)
    async with client_of(app) as client:
        done = Exchange(app, "POST", "/notes", part(b'{"text":', more=True))
        assert (await done.run()).status == 400
        assert passages.take() == [HANDED_OVER]
        assert (await client.get("/notes")).json()["items"] == []


async def test_what_receive_raises_reaches_the_handlers(
    database_url: str, passages: Passages
) -> None:
    """Middleware that counts bytes raises in `receive`: the application's handler answers."""
    app = app_with(database_url)

    @app.exception_handler(HTTPException)
    async def answer(_request: Any, error: HTTPException) -> JSONResponse:
        return JSONResponse({"own": error.detail}, status_code=error.status_code)

    async with client_of(app):
        first, error = part(b'{"text":', more=True), HTTPException(413, detail="enough")
        done = await Exchange(app, "POST", "/notes", first, error).run()
    assert (done.status, json.loads(done.body)) == (413, {"own": "enough"})
    assert passages.take() == [HANDED_OVER]


@pytest.mark.long
async def test_small_parts_are_replayed_together() -> None:
    """A body of a million parts is not a million messages, and not a million steps for each."""
    messages = [part(b"a", more=True)] * 100_000

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    body = Body(receive)
    assert await body.read(200_000) is None
    receive_again = body.replay()
    assert await receive_again() == part(b"a" * 100_000, more=True)
    assert await receive_again() == {"type": "http.disconnect"}
    assert await receive_again() == {"type": "http.disconnect"}


async def test_a_body_that_says_it_is_too_large_is_not_asked_for(
    database_url: str, passages: Passages
) -> None:
    """With `Expect: 100-continue` a server asks for the body when it is received, so it is not."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % (MAX_BODY + 1)),
        (b"expect", b"100-continue"),
    ]
    done = await _posted(database_url, part(b"{}"), headers=headers)
    assert (done.status, done.received) == (413, 0)
    assert passages.take() == [HANDED_OVER]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-type", b"application/json"), (b"content-type", b"text/plain")], 201),
        ([(b"content-type", b"text/plain"), (b"content-type", b"application/json")], 415),
        ([(b"content-type", b"Application/JSON; charset=utf-8")], 201),
        ([(b"Content-Type", b"application/json")], 415),
        ([(b"content-type", b"application/json"), (b"Prefer", b"return=minimal")], 201),
        ([], 415),
    ],
)
async def test_headers_of_a_body(
    database_url: str, passages: Passages, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    """The first of several counts; a name that no server would send in this case is none."""
    done = await _posted(database_url, part(b'{"text":"a"}'), headers=headers)
    assert done.status == status
    assert passages.take() == [ANSWERED if status == 201 else HANDED_OVER]
    plain = await _posted(database_url, part(b'{"text":"b"}'), headers=headers, has_doors=False)
    assert (plain.status, passages.take()) == (status, [])


@pytest.mark.parametrize(
    ("messages", "is_left"),
    [
        ([{"type": "http.request", "body": b"a"}, {"type": "http.disconnect"}], True),
        ([{"type": "http.disconnect"}], True),
        ([{"type": "http.request", "body": b"a"}], False),
        ([{"type": "http.request", "body": b"aaaa", "more_body": True}], False),
    ],
)
async def test_whoever_waits_hears_of_a_client_that_leaves(
    messages: list[Message], *, is_left: bool
) -> None:
    """And keeps what comes of the body meanwhile, up to a bound; an error is for who reads."""
    coming = iter(messages)

    async def receive() -> Message:
        try:
            return next(coming)
        except StopIteration:
            message = "a limit of the program's"
            raise RuntimeError(message) from None

    body = Body(receive)
    assert await body.is_abandoned(0.001, most=4) is is_left
    assert not body.is_spent
