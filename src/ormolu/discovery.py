"""From `module:name`, or from nothing, to an application and its database."""

from __future__ import annotations

import inspect
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import FastAPI

from ormolu.database import Database, engines_of
from ormolu.engines import Engines
from ormolu.errors import ConfigurationError
from ormolu.web import attached_engines

__all__ = ["find_application", "find_engines", "load_application", "load_function"]

# Where FastAPI's own command looks, then where a Database often is.
_USUAL = tuple(
    f"{folder}{name}.py"
    for names in (("main", "app", "api"), ("database", "db"))
    for folder in ("", "app/")
    for name in names
)


def load_application(place: str) -> FastAPI:
    """Import an application, from the current folder too.

    Args:
        place: Module and name, as uvicorn takes it: `main:app`; a function that makes one is
            called.

    Raises:
        ConfigurationError: There is none.
        ModuleNotFoundError: It imports what is not installed.
    """
    module_name, _, name = place.partition(":")
    found = _named(_load_module(module_name), name or "app")
    if not isinstance(found, FastAPI):
        message = f"{module_name} has no FastAPI application {name or 'app'!r}."
        raise ConfigurationError(message)
    return found


def load_function(place: str) -> Callable[..., Any]:
    """Import a function, from the current folder too.

    Args:
        place: Module and name: `seeds:main`.

    Raises:
        ConfigurationError: There is none, or it is not asynchronous.
    """
    module_name, _, name = place.partition(":")
    found: Any = getattr(_load_module(module_name), name, None)
    if not (inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)):
        message = f"{module_name} has no asynchronous function {name!r}. Write: async def {name}"
        raise ConfigurationError(message)
    return found  # type: ignore[no-any-return]


def find_application() -> FastAPI:
    """Return the project's application, as FastAPI's own command finds it.

    Raises:
        ConfigurationError: There is none, or there are several.
    """
    place = _entrypoint()
    if place is not None:
        return load_application(place)
    for path in _USUAL:
        if Path(path).is_file():
            module = _load_module(path.removesuffix(".py").replace("/", "."))
            found = {id(each): each for each in vars(module).values() if isinstance(each, FastAPI)}
            if isinstance(getattr(module, "app", None), FastAPI):
                return load_application(f"{module.__name__}:app")
            if len(found) == 1:
                return next(iter(found.values()))
    message = (
        "No application was found. Write in conftest.py a fixture `app` that returns it, or in "
        'pyproject.toml: [tool.fastapi] entrypoint = "module:app"'
    )
    raise ConfigurationError(message)


def _load_module(name: str) -> ModuleType:
    """Import a module, from the current folder too.

    Raises:
        ConfigurationError: There is none.
        ModuleNotFoundError: It imports what is not installed.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        message = f"There is no module {name!r} here. Write it as uvicorn takes it: main:app"
        raise ConfigurationError(message) from error


def _named(module: ModuleType, name: str) -> object:
    """Return what a module has by a name, or what a function of that name makes.

    Raises:
        ConfigurationError: The function cannot be called without arguments.
    """
    found = getattr(module, name.removesuffix("()"), None)
    if not inspect.isfunction(found) or inspect.iscoroutinefunction(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        message = (
            f"{module.__name__}:{name} cannot be called without arguments ({error}). Write a "
            f"module with app = {found.__name__}(...), and name that one: module:app"
        )
        raise ConfigurationError(message) from error
    return found()


def find_engines(place: str | None) -> Engines:
    """Return the database of an application.

    Args:
        place: `module:name` of an application or a `Database`, or of a function that makes one.
            None takes `[tool.fastapi] entrypoint` of pyproject.toml, else looks where FastAPI does,
            and for a `Database` in the modules beside.

    Raises:
        ConfigurationError: There is none, or there are several.
    """
    place = place or _entrypoint()
    if place is not None:
        module_name, _, name = place.partition(":")
        module = _load_module(module_name)
        named = _named(module, name) if name else None
        return _only(_engines_in([named] if name else vars(module).values()), place)
    for path in _USUAL:
        if Path(path).is_file():
            module = _load_module(path.removesuffix(".py").replace("/", "."))
            if found := _engines_in(vars(module).values()):
                return _only(found, path)
    message = (
        "No application or Database was found. Write --app module:app, or in pyproject.toml: "
        '[tool.fastapi] entrypoint = "module:app"'
    )
    raise ConfigurationError(message)


def _entrypoint() -> str | None:
    project = Path("pyproject.toml")
    if not project.is_file():
        return None
    tools = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    entrypoint = tools.get("fastapi", {}).get("entrypoint")
    return entrypoint if isinstance(entrypoint, str) else None


def _engines_in(values: Iterable[object]) -> list[Engines]:
    """Return the databases among values, and those that applications among them have."""
    found: list[Engines] = []
    for value in list(values):
        if isinstance(value, Database):
            found.append(engines_of(value))
        elif isinstance(value, FastAPI):
            found.extend(attached_engines(value))
    return list(dict.fromkeys(found))


def _only(found: list[Engines], place: str) -> Engines:
    if len(found) == 1:
        return found[0]
    what = "There are several databases" if found else "There is no database"
    message = f"{what} in {place!r}. Write --app module:name of the Database."
    raise ConfigurationError(message)
