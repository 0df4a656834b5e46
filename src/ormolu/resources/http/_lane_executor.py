"""Operations on a lane: the plans of a work, with the values of one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.errors import UnavailableError
from ormolu.lanes import Item, Lanes, NotDoneError
from ormolu.resources.http._call import Call
from ormolu.resources.http._executors import FoundPage, FoundRow
from ormolu.resources.http._read_works import PlannedPage, PlannedRow
from ormolu.resources.work import Grant, Key, RowPlan, Versions, encode
from ormolu.web import Reply

__all__ = ["LaneExecutor", "StoredError", "run_on_lane"]


async def run_on_lane(
    handler: Callable[[Call], Awaitable[Reply]], call: Call, executor: LaneExecutor
) -> Reply:
    """Run the handler of an operation on a lane.

    Raises:
        NotDoneError: Nothing was changed, and the request's session has to do it.
        RefusedError: Nothing was changed, and FastAPI's route has to answer the wrong request.
        UnavailableError: The outcome is unknown, or the database is not available.
        StoredError: The row is stored, and must not be stored again.
        Exception: The program's own code failed, and the outcome of a write is unknown.
    """
    try:
        return await handler(call)
    except Exception as error:
        if executor.is_stored:
            raise StoredError from error
        is_told = isinstance(error, (NotDoneError, UnavailableError))
        if executor.is_before_write and not is_told:
            # The program's own validator failed, say: the session's route meets the error again,
            # within the application's exception handlers.
            raise NotDoneError from error
        raise


class StoredError(Exception):
    """The answer to a write failed after a lane had committed the row."""

    def __init__(self) -> None:
        super().__init__("The change is stored, but its answer could not be made.")


class _LaneRow:
    """See `StoredRow`."""

    __slots__ = ("_plan", "_row")

    def __init__(self, plan: RowPlan, row: Sequence[Any]) -> None:
        self._plan = plan
        self._row = row

    @property
    def key(self) -> Key:
        return tuple(self._plan.plan.read(self._row)[self._plan.key])

    @property
    def version(self) -> Any:
        return self._plan.version_in(self._row)

    def content(self) -> bytes:
        return self._plan.content(self._row)


class LaneExecutor:
    """See `Executor`. It leaves missing rows and special cases to the session.

    Attributes:
        is_before_write: Whether it writes, and has sent nothing yet.
        is_stored: Whether it has written: the session must not do it again.
        variant: See `Executor`.
    """

    __slots__ = ("_grant", "_lanes", "_work", "is_before_write", "is_stored", "variant")

    def __init__(self, work: Any, lanes: Lanes, grant: Grant) -> None:
        """Run one operation.

        Args:
            work: Its plans: a subclass of `Work`.
            lanes: Where they run.
            grant: What the caller is allowed.
        """
        self.is_before_write: bool = not work.is_read
        self.is_stored: bool = False
        self.variant: str = work.context.variant
        self._work = work
        self._lanes = lanes
        self._grant = grant

    def key(self, scope: Scope) -> Key:
        """See `Executor`."""
        key: Key = self._work.key(scope)
        return key

    def parse_row_query(self, query: bytes) -> PlannedRow:
        """See `Executor`."""
        found: PlannedRow = self._work.parse(query)
        return found

    async def row(self, parsed: PlannedRow, key: Key) -> FoundRow:
        """See `Executor`."""
        plan, values = parsed.plan, self._grant.values
        row = await self._lanes.fetch_one(parsed.point, key, values)
        if row is None:
            raise NotDoneError
        if plan.nested is None:
            content = plan.content(row)
        else:
            (item,) = await plan.nested.items(self._lanes, plan.plan, [row], values)
            content = encode(item)
        return FoundRow(content, plan.version_in(row))

    def parse_page_query(self, scope: Scope) -> PlannedPage:
        """See `Executor`."""
        found: PlannedPage = self._work.parse(scope, self._grant)
        return found

    async def page(self, parsed: PlannedPage) -> FoundPage:
        """See `Executor`."""
        reads, plan = parsed.reads_for(self._grant), parsed.plan
        if self._work.context.is_shared:
            page = await self._lanes.fetch(reads, parsed.make)
        else:
            # Fetch only the rows: the program's own code has to run in this request's context.
            page = parsed.make(*await self._lanes.fetch(reads, _unchanged))
        if plan.nested is None:
            return page
        rows: Any = page.items
        items = await plan.nested.items(self._lanes, plan.rows, rows, self._grant.values)
        return page._replace(items=encode(items))

    async def create(self, values: Mapping[str, Any]) -> _LaneRow:
        """See `Executor`."""
        plan, item = self._work.prepare(values, self._grant)
        return _LaneRow(plan, await self._write(item))

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> _LaneRow:
        """See `Executor`."""
        plan, item = self._work.prepare(key, values, versions, self._grant)
        return _LaneRow(plan, await self._write(item))

    async def replace(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> tuple[_LaneRow, bool]:
        """See `Executor`."""
        return await self.update(key, values, versions), False

    async def remove(self, key: Key, versions: Versions) -> None:
        """See `Executor`."""
        await self._write(self._work.prepare(key, versions, self._grant))

    def in_session(self) -> Any:
        """See `Executor`.

        Raises:
            NotDoneError: Always.
        """
        raise NotDoneError

    async def _write(self, item: Item) -> Sequence[Any]:
        if self._work.has_listeners():
            raise NotDoneError
        self.is_before_write = False
        row = await self._lanes.write(item)
        if row is None:
            raise NotDoneError
        self.is_stored = True
        return row


def _unchanged(*found: Sequence[Any]) -> tuple[Sequence[Any], ...]:
    return found
