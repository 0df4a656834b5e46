"""A column that is not loaded, read where nothing can be awaited, says what to write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import MetaData, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, LazyLoadError, Model

Read = Callable[[AsyncSession, "Page"], Awaitable[object]]


class Base(Model):
    """Keeps this table apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData()


class Page(Base):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    visits: Mapped[int]
    body: Mapped[str | None] = mapped_column(Text, deferred=True)


async def after_an_expression(session: AsyncSession, page: Page) -> object:
    """Read what the database has computed."""
    page.visits = Page.visits + 1
    await session.flush()
    return page.visits


async def after_a_savepoint(session: AsyncSession, page: Page) -> object:
    """Read what a ROLLBACK to a SAVEPOINT has expired."""
    with pytest.raises(KeyError):
        async with session.begin_nested():
            page.visits = 5
            await session.flush()
            raise KeyError
    return page.visits


async def deferred(_session: AsyncSession, page: Page) -> object:
    """Read what is loaded on demand only."""
    return page.body


@pytest.mark.parametrize(
    ("read", "read_only"),
    [(after_an_expression, False), (after_a_savepoint, False), (deferred, False), (deferred, True)],
)
async def test_column_that_is_not_loaded(database_url: str, read: Read, read_only: bool) -> None:
    """On every backend, in units of work that write and that read."""
    async with Database(database_url, metadata=Base.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(Page(visits=1))
        with pytest.raises(LazyLoadError, match=r"Page\.|refresh"):
            async with db.unit_of_work(read_only=read_only) as session:
                page = (await session.scalars(select(Page))).one()
                await read(session, page)
