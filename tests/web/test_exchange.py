"""One request and its answer, where no application would bring them so far."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope

from ormolu.web._exchange import Exchange
from ormolu.web._privacy import expect_privacy
from ormolu.web._watch import WATCH_KEY

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def test_who_leaves_a_begun_answer_gets_no_other_one() -> None:
    """Of a unit of work that is over the answer is passed on; after its head comes no other."""
    watch = SimpleNamespace(settle=lambda: None)
    scope: Scope = {"type": "http", "method": "POST", "path": "/", WATCH_KEY: watch}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    exchange = Exchange(scope, receive, send, None, keeps=False)
    over: Any = SimpleNamespace(is_over=True)
    exchange.unit = over
    expect_privacy(scope)
    await exchange.send(dict(START))
    assert await exchange.takes(ClientDisconnect())
    assert sent == [START]
    assert exchange.failure is None
