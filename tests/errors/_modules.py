"""Modules that take the place of sqlite3, and one that tells of an error no more than its text."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.errors import _bare


def modules() -> dict[str, Any]:
    """Return the arguments of a driver's connect for each module that is installed."""
    found: dict[str, Any] = {"bare": {"module": _bare}}
    for name in ("pysqlite3", "sqlcipher3"):
        try:
            found[name] = {"module": importlib.import_module(f"{name}.dbapi2")}
        except ImportError:
            continue
    if "sqlcipher3" in found:
        found["sqlcipher3"]["connect"] = _with_key(found["sqlcipher3"]["module"].connect)
    return found


def _with_key(connect: Callable[..., Any]) -> Callable[..., Any]:
    def opened(path: str, **options: Any) -> Any:
        connection = connect(path, **options)
        # The key itself: to make one of a passphrase takes a tenth of a second.
        connection.execute(f"PRAGMA key=\"x'{'2a' * 32}'\"")
        return connection

    return opened


def each_module() -> pytest.MarkDecorator:
    """Return what runs a test with the arguments of each module."""
    found = modules()
    return pytest.mark.parametrize("connect_args", found.values(), ids=found)
