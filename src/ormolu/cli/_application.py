"""From `module:name` to an application."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI

from ormolu.errors import ConfigurationError

__all__ = ["load_application"]


def load_application(place: str) -> FastAPI:
    """Import an application, from the current folder too.

    Args:
        place: Module and name, as uvicorn takes it: `main:app`.

    Raises:
        ConfigurationError: There is none.
        ModuleNotFoundError: It imports what is not installed.
    """
    module_name, _, name = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        message = f"There is no module {module_name!r} here. Write it as uvicorn takes it: main:app"
        raise ConfigurationError(message) from error
    found = getattr(module, name or "app", None)
    if not isinstance(found, FastAPI):
        message = f"{module_name} has no FastAPI application {name or 'app'!r}."
        raise ConfigurationError(message)
    return found
