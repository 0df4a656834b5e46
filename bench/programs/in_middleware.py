"""The same constant bytes from a middleware of FastAPI's: the floor of all that is inside of it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from bench.programs.constant import app as constant


class _Answers:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer: Any = constant if scope["type"] == "http" else self._app
        await answer(scope, receive, send)


app = FastAPI()
app.add_middleware(_Answers)
