"""Lists against a plain Python evaluation of the same rows, and walks through their pages."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import count, islice
from typing import Any

import pytest
from sqlalchemy import delete

from ormolu import Database
from tests.fixtures.rounds import many
from tests.resources._oracle import holds, random_sort, random_tree, sorted_rows
from tests.resources.people import NAMES, Base, Person, fill, people, person

pytestmark = pytest.mark.anyio

SORTABLE = [name for name in NAMES if name not in {"code", "raw"}]

TREES, WALKS = many(80), many(4)


@pytest.mark.long
async def test_filters_and_sorts_mean_the_same_everywhere(database_url: str) -> None:
    """Random trees and sorts give the rows that plain Python gives, in its order."""
    async with Database(database_url, metadata=Base.metadata) as db:
        rows = await fill(db)
        source = random.Random(7)
        async with db.unit_of_work(read_only=True) as session:
            for _ in range(TREES):
                where, sort = random_tree(source), random_sort(source)
                page = await people.list(
                    session, where=where, sort=sort, limit=1000, fields=["id"], count="exact"
                )
                expected = sorted_rows([row for row in rows if holds(row, where)], sort)
                found = [item["id"] for item in page.items]
                assert found == [row["id"] for row in expected], (where, sort)
                assert page.total == len(found), where


@pytest.mark.long
async def test_every_page_is_walked(database_url: str) -> None:
    """Whatever the sort, ties and NULLs, no row comes twice and none is missing."""
    async with Database(database_url, metadata=Base.metadata) as db:
        rows = await fill(db)
        source = random.Random(3)
        for name in [*SORTABLE, "code", "team.city", "double"]:
            for sort in (
                [name],
                [f"-{name}"],
                [f"{name}:nullsfirst", f"-{source.choice(SORTABLE)}"],
            ):
                sort = list({each.strip("-").partition(":")[0]: each for each in sort}.values())
                found = await _walk(db, sort, source.randint(4, 13))
                assert sorted(found) == [row["id"] for row in rows], sort
                if name != "code":
                    assert found == [row["id"] for row in sorted_rows(rows, sort)], sort


async def _walk(
    db: Database,
    sort: list[str],
    limit: int,
    where: dict[str, Any] | None = None,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        async with db.unit_of_work(read_only=True) as session:
            page = await people.list(session, where=where, sort=sort, limit=limit, cursor=cursor)
        if meanwhile is not None:
            await meanwhile()
        found += [item["id"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.items) == limit


@pytest.mark.long
async def test_rows_that_come_and_go_disturb_no_walk(database_url: str) -> None:
    """No row comes twice and none is missing that was there while others came and went."""
    async with Database(database_url, metadata=Base.metadata) as db:
        rows = await fill(db)
        source, numbers = random.Random(11), count(10_001)
        for _ in range(WALKS):
            sort, where = random_sort(source), source.choice([None, random_tree(source)])
            visitors: list[int] = []
            found = await _walk(db, sort, 7, where, lambda: _visit(db, source, numbers, visitors))  # noqa: B023
            stayed = [row["id"] for row in rows if where is None or holds(row, where)]
            assert len(set(found)) == len(found), (sort, where)
            assert [each for each in sorted(found) if each <= 10_000] == stayed, (sort, where)
            async with db.unit_of_work() as session:
                await session.execute(delete(Person).where(Person.id > 10_000))


async def _visit(
    db: Database, source: random.Random, numbers: Iterator[int], visitors: list[int]
) -> None:
    source.shuffle(visitors)
    gone = [visitors.pop() for _ in range(min(2, len(visitors)))]
    visitors += (new := list(islice(numbers, 3)))
    async with db.unit_of_work() as session:
        await session.execute(delete(Person).where(Person.id.in_(gone)))
        session.add_all([Person(**person(source), id=number) for number in new])
