"""Operations in the request's own session and transaction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from ormolu.query import Selection, shown
from ormolu.resources.declare import Exposure, Policies
from ormolu.resources.http._executors import FoundPage, FoundRow
from ormolu.resources.http._requests import RowQuery, read_key, read_query, read_row_query
from ormolu.resources.work import (
    Key,
    ListQuery,
    Operations,
    Versions,
    Written,
    encode,
    read_parameters,
    variant_of,
)
from ormolu.sessions import engine_of, in_its_place

__all__ = ["SessionExecutor"]


class _SessionRow(NamedTuple):
    """See `StoredRow`."""

    key: Key
    version: Any
    content: Any


class SessionExecutor:
    """See `Executor`.

    Attributes:
        session: The session of the request.
        operations: The operations in it.
    """

    def __init__(self, exposure: Exposure, session: AsyncSession, policies: Policies) -> None:
        self.session: AsyncSession = session
        self.operations: Operations = Operations(exposure, session, policies)
        self._exposure = exposure
        self._policies = policies

    @property
    def variant(self) -> str:
        """See `Executor`."""
        return variant_of(self.operations.view, self._exposure.view(None))

    async def identity(self) -> str:
        """Return a digest that differs between callers whose policies allow other things."""
        dialect = (await engine_of(self.session)).dialect
        return self._exposure.policy(self._policies).identity(
            dialect, self._exposure.declaration.mapper
        )

    def key(self, scope: Scope) -> Key:
        """See `Executor`."""
        declaration = self.operations.declaration
        return read_key(scope, declaration.keys, declaration.name)

    def parse_row_query(self, query: bytes) -> RowQuery:
        """See `Executor`."""
        return read_row_query(self.operations.view, query)

    async def row(self, parsed: RowQuery, key: Key) -> FoundRow:
        """See `Executor`."""
        row, version, truncated = await self.operations.read(key, parsed.selection)
        return FoundRow(encode(shown(parsed.selection, row)), version, truncated)

    def parse_page_query(self, scope: Scope) -> ListQuery:
        """See `Executor`."""
        return read_parameters(self.operations.view, read_query(scope), self.operations.limits)

    async def page(self, parsed: ListQuery) -> FoundPage:
        """See `Executor`."""
        async with in_its_place(self.session, parsed.form):
            page = await self.operations.fetch(parsed)
        items = encode([shown(parsed.selection, row) for row in page.items])
        return FoundPage(items, page.next_cursor, page.total, page.total_kind, page.truncated)

    async def create(self, values: Mapping[str, Any]) -> _SessionRow:
        """See `Executor`."""
        return self.stored(await self.operations.create(values))

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> _SessionRow:
        """See `Executor`."""
        return self.stored(await self.operations.update(key, values, versions=versions))

    async def replace(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> tuple[_SessionRow, bool]:
        """See `Executor`."""
        written, is_new = await self.operations.replace(key, values, versions=versions)
        return self.stored(written), is_new

    async def remove(self, key: Key, versions: Versions) -> None:
        """See `Executor`."""
        await self.operations.remove(key, versions=versions)

    def in_session(self) -> SessionExecutor:
        """See `Executor`."""
        return self

    def stored(self, written: Written) -> _SessionRow:
        """Return a written row as handlers use it."""
        return _SessionRow(written.key, written.version, partial(self._content, written))

    def shown(self, written: Written) -> Any:
        """Return what an answer shows of a written row."""
        view = self.operations.view
        return shown(Selection(view, view.members), dict(written.row))

    def _content(self, written: Written) -> bytes:
        return encode(self.shown(written))
