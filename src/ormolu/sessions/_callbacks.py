"""How what waits for a COMMIT is run, and how work is finished whatever happens to its caller.

Knows neither sessions nor engines.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from inspect import isawaitable, iscoroutinefunction
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["Callback", "run_callbacks", "run_to_completion"]

_log = logging.getLogger("ormolu")

Callback = Callable[[], object]


async def run_callbacks(callbacks: Iterable[Callback]) -> None:
    """Call functions one after the other; the error of one is logged."""
    for callback in callbacks:
        try:
            is_here = _is_coroutine_function(callback)
            result = callback() if is_here else await anyio.to_thread.run_sync(callback)
            if isawaitable(result):
                # A plain function may return an awaitable too, such as a lambda around `async def`.
                await result
        except Exception:
            _log.exception("A function given to after_commit failed; the work is stored.")


def _is_coroutine_function(function: Any) -> bool:
    """Tell whether a call gives a coroutine: of a function, a partial, an object with a call."""
    while isinstance(function, functools.partial):
        function = function.func
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


async def run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work even if the caller is cancelled, then let the cancellation through.

    Raises:
        CancelledError: The caller was cancelled; the work is done all the same.
    """
    task = asyncio.ensure_future(work)
    # asyncio.wait would cost as much as the task itself.
    over = task.get_loop().create_future()
    task.add_done_callback(functools.partial(_note_end, over))
    try:
        await over
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not task.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({task})
        # Retrieve the error, or asyncio would log it as never retrieved; the cancellation wins.
        task.exception()
        raise
    task.result()


def _note_end(over: asyncio.Future[None], _task: asyncio.Task[None]) -> None:
    if not over.done():
        over.set_result(None)
