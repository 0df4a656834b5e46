"""Operations on a lane: the kept statements of a work, with the values of one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.types import Scope

from ormolu.errors import UnavailableError
from ormolu.lanes import Item, Lanes, NotDoneError
from ormolu.resources.http._call import Call
from ormolu.resources.http._executors import FoundPage, FoundRow
from ormolu.resources.http._read_works import KeptPage, KeptRow
from ormolu.resources.work import Grant, Key, RowPlan, Versions, encode
from ormolu.web import Reply

__all__ = ["LaneExecutor", "run_on_lane"]


async def run_on_lane(
    handler: Callable[[Call], Awaitable[Reply]], call: Call, executor: LaneExecutor
) -> Reply:
    """Run the handler of an operation on a lane.

    Raises:
        NotDoneError: The request's session has to do it: nothing is changed.
        RefusedError: The same; what is wrong with the request FastAPI's route answers.
        UnavailableError: There is no outcome, and none to be had by trying again.
        Exception: Code of the program's own failed; nobody knows what came of a write.
    """
    try:
        return await handler(call)
    except (NotDoneError, UnavailableError):
        raise
    except Exception as error:
        if executor.is_before_write:
            # A validator of the program's own, say: the session's way meets it again, within
            # reach of the application's handlers.
            raise NotDoneError from error
        raise


class _Stored:
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
    """See `Executor`. What it does not find or is not sure of it leaves to the session.

    Attributes:
        is_before_write: Whether it is of a write, and nothing is sent yet.
        key: See `Executor`.
        variant: See `Executor`.
    """

    __slots__ = ("_grant", "_lanes", "_work", "is_before_write", "key", "variant")

    def __init__(self, work: Any, lanes: Lanes, grant: Grant) -> None:
        """Run one operation.

        Args:
            work: Its kept statements: one of the kinds of `Work`.
            lanes: Where they run.
            grant: What the caller is allowed.
        """
        self.is_before_write: bool = not work.is_read
        self.key: Callable[[Scope], Key] = work.key
        self.variant: str = work.opening.variant
        self._work = work
        self._lanes = lanes
        self._grant = grant

    def asked_row(self, query: bytes) -> KeptRow:
        """See `Executor`."""
        found: KeptRow = self._work.asked(query)
        return found

    async def row(self, asked: KeptRow, key: Key) -> FoundRow:
        """See `Executor`."""
        plan, values = asked.plan, self._grant.values
        row = await self._lanes.fetch_one(asked.point, key, values)
        if row is None:
            raise NotDoneError
        if plan.nested is None:
            content = plan.content(row)
        else:
            (item,) = await plan.nested.items(self._lanes, plan.plan, [row], values)
            content = encode(item)
        return FoundRow(content, plan.version_in(row))

    def asked_page(self, scope: Scope) -> KeptPage:
        """See `Executor`."""
        found: KeptPage = self._work.asked(scope, self._grant)
        return found

    async def page(self, asked: KeptPage) -> FoundPage:
        """See `Executor`."""
        reads, plan = asked.reads_for(self._grant), asked.plan
        if self._work.opening.is_shared:
            page = await self._lanes.fetch(reads, asked.make)
        else:
            # The rows alone: the rest is made here, in the context of this request.
            page = asked.make(*await self._lanes.fetch(reads, _as_they_are))
        if plan.nested is None:
            return page
        rows: Any = page.items
        items = await plan.nested.items(self._lanes, plan.rows, rows, self._grant.values)
        return page._replace(items=encode(items))

    async def create(self, values: Mapping[str, Any]) -> _Stored:
        """See `Executor`."""
        plan, item = self._work.prepare(values, self._grant)
        return _Stored(plan, await self._write(item))

    async def update(self, key: Key, values: Mapping[str, Any], versions: Versions) -> _Stored:
        """See `Executor`."""
        plan, item = self._work.prepare(key, values, versions, self._grant)
        return _Stored(plan, await self._write(item))

    async def replace(
        self, key: Key, values: Mapping[str, Any], versions: Versions
    ) -> tuple[_Stored, bool]:
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
        return row


def _as_they_are(*found: Sequence[Any]) -> tuple[Sequence[Any], ...]:
    return found
