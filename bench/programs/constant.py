"""An ASGI application that answers constant bytes, as many as a real answer: the floor."""

from __future__ import annotations

from typing import Any

from bench._content import created, user, user_with_posts, users
from bench._json import compact

Answer = tuple[dict[str, Any], dict[str, Any]]


def _answer(status: int, content: object) -> Answer:
    body = compact(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


POINT = _answer(200, user(5000))
LIST = _answer(200, users(100))
CREATED = _answer(201, created(12_345_678))
INCLUDE = _answer(200, user_with_posts(5000))


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    start, body = await _choose(scope, receive)
    await send(start)
    await send(body)


async def _choose(scope: dict[str, Any], receive: Any) -> Answer:
    method, path = scope["method"], scope["path"]
    if method != "GET":
        await receive()
        return CREATED if method == "POST" else POINT
    if path == "/users/":
        return LIST
    return INCLUDE if path.endswith("/posts") else POINT
