"""What a program may say of both engines itself, as `create_async_engine` takes it.

An engine of its own is not taken: each event loop has two, of which one cannot write, and their
pools serve in turn. What would undo that is refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ormolu.errors import ConfigurationError

__all__ = ["check_engine_options", "their_arguments"]

_TAKEN = frozenset(
    {
        "echo_pool", "enable_from_linting", "insertmanyvalues_page_size", "json_deserializer",
        "json_serializer", "logging_name", "plugins", "pool_logging_name", "pool_pre_ping",
        "pool_recycle", "query_cache_size", "use_insertmanyvalues",
    }
)  # fmt: skip

_OF_DATABASE = frozenset(
    {"connect_args", "echo", "isolation_level", "max_overflow", "pool_size", "pool_timeout"}
)

_POOL = "the pool is Ormolu's, which serves those who wait in turn; write Database(pool_size=...)"
_CONNECTING = "readers and writers connect differently; write Database(url, connect_args={...})"
_RESETTING = "what goes back into the pool is rolled back by Ormolu, which asks the driver first"
_REFUSED = {
    "async_creator": _CONNECTING,
    "creator": _CONNECTING,
    "execution_options": (
        "they would not reach what is sent past SQLAlchemy; write them where they are needed: "
        "await session.connection(execution_options={...})"
    ),
    "hide_parameters": "values of rows never stand in errors and logs",
    "module": _CONNECTING,
    "pool": _POOL,
    "pool_reset_on_return": _RESETTING,
    "pool_use_lifo": _POOL,
    "poolclass": _POOL,
    "skip_autocommit_rollback": _RESETTING,
}


def check_engine_options(options: Mapping[str, Any]) -> None:
    """Refuse what would undo what the engines are made for, and what nobody knows.

    Raises:
        ConfigurationError: An option is not taken; the message says why, or what to write.
    """
    for name in options:
        if name in _OF_DATABASE:
            message = f"engine_options has {name}: write Database({name}=...)."
            raise ConfigurationError(message)
        if name in _REFUSED:
            message = f"engine_options has {name}: {_REFUSED[name]}."
            raise ConfigurationError(message)
        if name not in _TAKEN:
            known = ", ".join(sorted(_TAKEN))
            message = f'engine_options has "{name}", which is not known. Write one of: {known}.'
            raise ConfigurationError(message)


def their_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `create_async_engine`; what makes JSON is looked at."""
    serialize = options.get("json_serializer")
    ours: dict[str, Any] = {"json_serializer": _to_json if serialize is None else _only(serialize)}
    return {**options, **ours}


def _to_json(value: object) -> str:
    """Refuse NaN and lone surrogates: stored, they would break every answer that shows them.

    Raises:
        OverflowError: A number is no JSON number.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise OverflowError(*error.args) from None
    text.encode()
    return text


def _only(serialize: Callable[[Any], str | bytes]) -> Callable[[Any], str]:
    """Let a serializer of the program's own make JSON only, as text."""

    def to_json(value: object) -> str:
        made = serialize(value)
        text = made.decode() if isinstance(made, bytes) else made
        text.encode()
        if "NaN" in text or "Infinity" in text:
            # The word may be inside a string.
            json.loads(text, parse_constant=_refuse)
        return text

    return to_json


def _refuse(name: str) -> NoReturn:
    message = f"{name} is no JSON number"
    raise OverflowError(message)
