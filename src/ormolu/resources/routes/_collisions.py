"""Which requests never reach a resource, since another route comes first.

The program's own routes are put there on purpose; FastAPI's pages and other resources hardly ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ormolu.resources.declare import Declaration

__all__ = ["collisions_in"]

_PLACE = re.compile(r"{[^}]*}")
# What to write, by the module of the page's function.
_PAGES = {
    "fastapi.applications": (
        "FastAPI's own page comes first. Give it another path=..., or move the page: "
        "FastAPI(docs_url=..., redoc_url=..., openapi_url=...)."
    ),
    "ormolu.web._health": (
        "the probe of the database comes first. Give it another path=..., or write "
        "attach(app, health=False)."
    ),
}


def collisions_in(contexts: Iterable[Any]) -> Iterator[str]:
    """Yield a sentence for each resource some of whose requests another route answers.

    Args:
        contexts: The included routes of an application, in their order.
    """
    pages: dict[str, str] = {}
    ours = _Earlier()
    found: dict[tuple[str, str], list[str]] = {}
    for context in contexts:
        endpoint = getattr(context, "endpoint", None)
        path = str(getattr(context, "path_format", ""))
        if (page := _PAGES.get(getattr(endpoint, "__module__", ""))) is not None:
            pages[path] = page
        dependency = getattr(endpoint, "policy_dependency", None)
        if dependency is None or not context.include_in_schema:
            continue
        declaration = dependency.declaration
        for method in sorted(context.methods):
            reason = pages.get(path) if method == "GET" else None
            reason = reason or ours.reason(method, path, declaration)
            if reason is not None:
                subject = f"resource({declaration.name}) at {declaration.path}"
                found.setdefault((subject, reason), []).append(f"{method} {path}")
            ours.add(method, path, declaration, context)
    for (subject, reason), requests in found.items():
        yield f"{subject} never gets {', '.join(requests)}: {reason}"


class _Earlier:
    """The routes of resources that come first."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], Declaration] = {}
        # Only these match other paths than their own, by method.
        self._of_rows: dict[str, list[tuple[Declaration, Any]]] = {}

    def add(self, method: str, path: str, declaration: Declaration, context: Any) -> None:
        """Add the route of a resource."""
        place = (method, _PLACE.sub("{}", path))
        if place not in self._at:
            self._at[place] = declaration
            if "{" in path:
                self._of_rows.setdefault(method, []).append((declaration, context))

    def reason(self, method: str, path: str, declaration: Declaration) -> str | None:
        """Return why one of them answers a request, None if none does."""
        other = self._at.get((method, _PLACE.sub("{}", path)))
        if other is declaration:
            return "it is included twice here. Give one of them a prefix=..."
        if other is not None:
            return (
                f"resource({other.name}) at {other.path} comes first. Give one of them another "
                "path=..., or a prefix."
            )
        if "{" in path:
            return None
        for each, context in self._of_rows.get(method, ()):
            if each is not declaration and context.path_regex.match(path):
                return (
                    f"resource({each.name}) at {each.path} comes first, and takes it for a key. "
                    "Include the other one before it."
                )
        return None
