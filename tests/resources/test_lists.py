"""Lists against a plain Python evaluation of the same rows, and walks through their pages."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import delete

from ormolu import Database
from tests.resources._oracle import holds, random_sort, random_tree, sorted_rows
from tests.resources.people import NAMES, Base, Person, fill, people, person

pytestmark = pytest.mark.anyio

SORTABLE = [name for name in NAMES if name != "code"]


async def test_filters_and_sorts_mean_the_same_everywhere(database_url: str) -> None:
    """Random trees and sorts give the rows that plain Python gives, in its order."""
    async with Database(database_url, metadata=Base.metadata) as db:
        rows = await fill(db)
        source = random.Random(7)
        async with db.unit_of_work(read_only=True) as session:
            for _ in range(250):
                where, sort = random_tree(source), random_sort(source)
                page = await people.list(session, where=where, sort=sort, limit=1000, fields=["id"])
                expected = sorted_rows([row for row in rows if holds(row, where)], sort)
                found = [item["id"] for item in page.items]
                assert found == [row["id"] for row in expected], (where, sort)


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


async def _walk(db: Database, sort: list[str], limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        async with db.unit_of_work(read_only=True) as session:
            page = await people.list(session, sort=sort, limit=limit, cursor=cursor)
        found += [item["id"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.items) == limit


async def test_rows_that_come_and_go_disturb_no_walk(database_url: str) -> None:
    """Rows that were there throughout come exactly once while others are inserted and deleted."""
    async with Database(database_url, metadata=Base.metadata) as db:
        rows = await fill(db)
        source = random.Random(11)
        for _ in range(12):
            sort = [f"{source.choice(['', '-'])}{source.choice(SORTABLE)}"]
            found: list[int] = []
            cursor: Any = None
            while True:
                async with db.unit_of_work() as session:
                    page = await people.list(session, sort=sort, limit=7, cursor=cursor)
                    await session.execute(delete(Person).where(Person.id > 10_000))
                    numbers = source.sample(range(10_001, 20_000), 3)
                    session.add_all([Person(**person(source), id=number) for number in numbers])
                found += [item["id"] for item in page.items if item["id"] <= 10_000]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert sorted(found) == [row["id"] for row in rows], sort
