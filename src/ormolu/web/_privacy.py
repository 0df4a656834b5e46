"""What the answers of a guarded route tell caches: whose they are, and which headers they follow.

Reads what FastAPI keeps of dependencies; knows no policy and no resource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import cached_property
from typing import Any, cast

from fastapi.security import APIKeyCookie, APIKeyHeader, OAuth2, OpenIdConnect
from fastapi.security.http import HTTPBase
from pydantic import AliasChoices, BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from ormolu.web._fastapi import dependants_behind

__all__ = ["Privacy", "expect_privacy", "note_privacy", "tell_caches"]

_KEY = "ormolu.privacy"


_SAID = frozenset({b"cache-control", b"vary"})


class Privacy:
    """What is said of answers that depend on what some dependencies return.

    Args:
        dependencies: Functions that FastAPI calls.
    """

    def __init__(self, dependencies: Sequence[Callable[..., Any] | None]) -> None:
        self._dependencies = dependencies

    @cached_property
    def vary(self) -> Sequence[str]:
        """Return the request headers that the dependencies declare; one may read others, too."""
        found: set[str] = set()
        for dependency in filter(None, self._dependencies):
            dependants = dependants_behind(dependency)
            if dependants is None:
                return ["*"]
            found.update(name for each in dependants for name in _headers_of(each))
        return sorted(found)

    @cached_property
    def _lines(self) -> Sequence[tuple[bytes, bytes]]:
        vary = ", ".join(self.vary).encode("latin-1")
        return [(b"cache-control", b"private, no-cache"), *([(b"vary", vary)] if vary else [])]

    def add_to(self, headers: MutableHeaders) -> None:
        """Add what the program itself has not said."""
        if not any(name.lower() in _SAID for name, _ in headers.raw):
            headers.raw.extend(self._lines)
            return
        headers.setdefault("Cache-Control", "private, no-cache")
        said = [name.strip() for line in headers.getlist("vary") for name in line.split(",")]
        known = {name.lower() for name in said}
        missing = [name for name in self.vary if name.lower() not in known]
        if missing and "*" not in known:
            headers["Vary"] = ", ".join([*filter(None, said), *missing])


def expect_privacy(scope: Scope) -> None:
    """Make room for what is noted later, maybe in a copy of the scope."""
    scope.setdefault(_KEY, [])


def note_privacy(scope: Scope, privacy: Privacy) -> None:
    """Note that the answer to this request depends on who asks.

    A route of which all answers do tells it as `privacy` of its endpoint, too, for errors that come
    before that is called: a function of the application.
    """
    scope.setdefault(_KEY, []).append(privacy)


def tell_caches(scope: Scope, start: MutableMapping[str, Any]) -> None:
    """Add to the headers in the head of an answer what caches have to know of it."""
    noted: list[Privacy] = scope[_KEY]
    told = None if noted else getattr(scope.get("endpoint"), "privacy", None)
    privacy: Privacy | None = noted[-1] if noted else None
    if callable(told):
        privacy = cast("Privacy | None", told(scope["app"]))
    if privacy is not None:
        start["headers"] = list(start.get("headers", ()))
        privacy.add_to(MutableHeaders(raw=start["headers"]))


def _headers_of(dependant: Any) -> Iterator[str]:
    scheme = dependant.call
    if isinstance(scheme, (HTTPBase, OAuth2, OpenIdConnect)):
        yield "Authorization"
    if isinstance(scheme, APIKeyHeader):
        yield _titled(scheme.model.name)
    if dependant.cookie_params or isinstance(scheme, APIKeyCookie):
        yield "Cookie"
    for field in dependant.header_params:
        yield from map(_titled, _names_of(field.field_info, field.alias))


def _names_of(info: Any, alias: str) -> Iterator[str]:
    """Yield what a header parameter is called in a request; a model stands for several."""
    model = info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, inner in model.model_fields.items():
            yield from _names_of(inner, inner.alias or name.replace("_", "-"))
    elif isinstance(info.validation_alias, AliasChoices):
        yield from (name for name in info.validation_alias.choices if isinstance(name, str))
    else:
        known = info.validation_alias
        yield known if isinstance(known, str) else alias


def _titled(name: str) -> str:
    return re.sub(r"[a-z]+", lambda word: word[0].capitalize(), name.lower())
