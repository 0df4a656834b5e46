"""Hooks: the program's functions that run before and after a write, inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["HookName", "run_hook"]

HookName = Literal[
    "before_create", "after_create", "before_update", "after_update", "before_delete",
    "after_delete", "after_commit",
]  # fmt: skip


async def run_hook(
    hooks: Mapping[HookName, Callable[..., Any]],
    name: HookName,
    session: AsyncSession,
    value: dict[str, Any],
) -> dict[str, Any]:
    """Call a hook, if there is one, and return what it returns, or else the value it was given."""
    hook = hooks.get(name)
    if hook is None:
        return value
    result = hook(session, value)
    if isawaitable(result):
        result = await result
    return value if result is None else result
