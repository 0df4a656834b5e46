"""A request as a pattern: places such as `{id}` in it have another value each time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ["PLACE", "Request"]

PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent; path, headers and body may have places in them."""

    method: str = "GET"
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with the type of the body where there is one."""
        typed = {} if self.body is None else {"Content-Type": "application/json"}
        return {**typed, **self.headers}

    def fill(self, values: Mapping[str, object]) -> Request:
        """Return the request with values in its places."""

        def put(text: str) -> str:
            return PLACE.sub(lambda found: str(values[found[1]]), text)

        return replace(
            self,
            path=put(self.path),
            body=None if self.body is None else put(self.body),
            headers={name: put(text) for name, text in self.headers.items()},
        )
