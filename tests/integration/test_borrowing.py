"""What only reads is read over a borrowed connection, and nobody can tell."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import bindparam, event, func, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ormolu import Database
from ormolu.errors import LazyLoadError
from ormolu.faults import fault_of
from ormolu.sessions import UnitOfWork
from ormolu.sessions._compiled import CompiledQuery
from ormolu.transactions import Access
from tests.integration.notes import Note, make_database

BY_ID = select(Note).order_by(Note.id)


@asynccontextmanager
async def filled(url: str, **options: Any) -> AsyncIterator[Database]:
    async with make_database(url, **options) as db:
        async with db.unit_of_work() as session:
            session.add_all([Note(text="a"), Note(text="b")])
        async with db.unit_of_work(read_only=True) as session:
            # So that a connection is there.
            await session.scalar(select(1))
        yield db


class Direct:
    """Counts what is sent past SQLAlchemy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at_once = 0
        execute, execute_at_once = CompiledQuery.execute, CompiledQuery.execute_at_once

        def counted(*args: Any) -> Any:
            self.count += 1
            return execute(*args)

        def counted_at_once(*args: Any) -> Any:
            rows = execute_at_once(*args)
            self.count += rows is not None
            self.at_once += rows is not None
            return rows

        monkeypatch.setattr(CompiledQuery, "execute", counted)
        monkeypatch.setattr(CompiledQuery, "execute_at_once", counted_at_once)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Direct:
    return Direct(monkeypatch)


def in_use(db: Database) -> int:
    pool: Any = db._engines.opened.reader.sync_engine.pool
    return int(pool.checkedout())


WAYS: dict[str, Callable[[AsyncSession], Any]] = {
    "execute": lambda session: session.execute(BY_ID),
    "scalars": lambda session: session.scalars(BY_ID),
    "scalar": lambda session: session.scalar(BY_ID),
    "get": lambda session: session.get_one(Note, 1),
    "below": lambda session: session.run_sync(lambda below: below.scalars(BY_ID)),
    "parameter": lambda session: session.scalars(
        select(Note).where(Note.id == bindparam("of")), {"of": 1}
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_is_direct(database_url: str, direct: Direct, way: str) -> None:
    """Its connection is in use until the end, and then free again."""
    async with filled(database_url) as db:
        async with db.unit_of_work(read_only=True) as session:
            await WAYS[way](session)
            assert (direct.count, in_use(db)) == (1, 1)
        assert in_use(db) == 0


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("way", ["execute", "scalars", "scalar"])
async def test_short_reads_need_no_greenlet(database_url: str, direct: Direct, way: str) -> None:
    """On SQLite, once they have shown that they are short; what they return is the same."""
    async with filled(database_url) as db:
        found = set()
        for _ in range(20):
            async with db.unit_of_work(read_only=True) as session:
                result = await WAYS[way](session)
                found.add(result.id if way == "scalar" else len(result.all()))
    assert len(found) == 1
    assert 0 < direct.at_once < direct.count == 20


@pytest.mark.backends("sqlite")
async def test_short_read_that_fails(database_url: str, direct: Direct) -> None:
    """It is executed again where its error is told, and what follows is read."""
    async with filled(database_url) as db:
        for _ in range(5):
            async with db.unit_of_work(read_only=True) as session:
                await session.scalars(BY_ID)
        async with db.unit_of_work() as session:
            await session.execute(text("ALTER TABLE notes RENAME TO others"))
        with pytest.raises(DBAPIError, match="no such table"):
            async with db.unit_of_work(read_only=True) as session:
                await session.scalars(BY_ID)
    assert direct.count == 6


async def test_same_statement_with_other_values(database_url: str, direct: Direct) -> None:
    """It is compiled once; each time its own values are sent."""
    async with filled(database_url) as db:
        for limit, number in ((1, 1), (5, 2), (5, 1)):
            asked = select(Note.id, Note).where(Note.id >= number).limit(limit)
            for statement in (select(Note).where(Note.id >= number).limit(limit), asked):
                async with db.unit_of_work(read_only=True) as session:
                    found = (await session.execute(statement)).all()
                assert [row[-1].id for row in found] == list(range(number, 3))[:limit]
    assert direct.count == 3


@pytest.mark.backends("sqlite")
async def test_one_snapshot(database_url: str, direct: Direct) -> None:
    """All reads of a unit of work are of one snapshot, whoever sends them."""
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:
        assert len((await session.scalars(BY_ID)).all()) == 2
        async with db.unit_of_work() as other:
            other.add(Note(text="c"))
        session.expunge_all()
        assert len((await session.scalars(BY_ID)).all()) == 2
        assert await session.scalar(select(func.count(Note.id))) == 2
        await session.rollback()
        assert len((await session.scalars(BY_ID)).all()) == 3
    assert direct.count == 3


@pytest.mark.parametrize("end", ["commit", "rollback", "reset", "close", "invalidate"])
async def test_every_end_gives_it_back(database_url: str, end: str) -> None:
    """By the methods of the session below, too."""
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:
        await session.scalars(BY_ID)
        assert session.in_transaction()
        await session.run_sync(lambda below: getattr(below, end)())
        assert (session.in_transaction(), in_use(db)) == (False, 0)


async def test_invalidated_connection_is_thrown_away(database_url: str) -> None:
    """As one of SQLAlchemy's is."""
    thrown: list[Any] = []
    async with filled(database_url) as db:
        reader = db._engines.opened.reader.sync_engine
        event.listen(reader, "invalidate", lambda *_args: thrown.append(1))
        async with db.unit_of_work(read_only=True) as session:
            await session.scalars(BY_ID)
            await session.invalidate()
        assert (thrown, in_use(db)) == ([1], 0)


async def test_transaction_is_shown(database_url: str) -> None:
    """It is one that SQLAlchemy knows, once it is asked for."""
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:
        assert session.get_transaction() is None
        await session.scalars(BY_ID)
        transaction = session.get_transaction()
        assert transaction is not None
        assert transaction.is_active
        assert await session.scalar(select(func.count(Note.id))) == 2


async def test_handed_over(database_url: str, direct: Direct) -> None:
    """What SQLAlchemy sends goes over the same connection, and is waited for no more."""
    async with filled(database_url, pool_size=1, max_overflow=0) as db:
        async with db.unit_of_work(read_only=True) as session:
            await session.scalars(BY_ID)
            connection = await session.connection()
            assert await connection.scalar(text("SELECT 1")) == 1
            assert (direct.count, in_use(db)) == (1, 1)
        assert in_use(db) == 0


@pytest.mark.parametrize("name", ["after_begin", "after_transaction_create"])
async def test_listeners_to_transactions_hear(database_url: str, direct: Direct, name: str) -> None:
    """Of all sessions, or of one: such as those that say for whom the rows are."""
    heard: list[str] = []

    def hear(*_args: Any) -> None:
        heard.append(name)

    async with filled(database_url) as db:
        event.listen(Session, name, hear)
        try:
            async with db.unit_of_work(read_only=True) as session:
                await session.scalars(BY_ID)
        finally:
            event.remove(Session, name, hear)
        async with db.unit_of_work(read_only=True) as session:
            event.listen(session.sync_session, name, hear)
            await session.scalars(BY_ID)
    assert (len(heard), direct.count) == (2, 0)


async def test_listener_to_one_session_hears_queries(database_url: str, direct: Direct) -> None:
    """Criteria that a program adds to each query of a session are added."""
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:

        @event.listens_for(session.sync_session, "do_orm_execute")
        def _first(state: Any) -> None:
            state.statement = state.statement.where(Note.id == 1)

        assert [note.id for note in await session.scalars(BY_ID)] == [1]
    assert direct.count == 0


async def test_failure_is_as_sqlalchemy_tells_it(database_url: str) -> None:
    """With its fault and its statement; it is sent once, and the connection is of use."""
    failures = []
    async with filled(database_url) as db:
        for begin in (lambda: db.unit_of_work(read_only=True), lambda: AsyncSession(db.engine)):
            async with begin() as session:
                with pytest.raises(DBAPIError) as raised:
                    await session.scalars(select(Note).where(func.nothing(Note.id) == 1))
                failures.append(raised.value)
        async with db.unit_of_work(read_only=True) as session:
            assert len((await session.scalars(BY_ID)).all()) == 2
    ours, theirs = failures
    assert (type(ours), type(ours.orig)) == (type(theirs), type(theirs.orig))
    assert (fault_of(ours).kind, ours.statement) == (fault_of(theirs).kind, theirs.statement)


async def test_failed_statement_is_sent_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have failed by its time limit, which nobody waits for twice."""
    sent: list[Any] = []

    def fail(_self: Any, _cursor: Any, arguments: Any) -> Any:
        sent.append(arguments)
        raise _StatementTimeoutError

    monkeypatch.setattr(CompiledQuery, "execute", fail)
    async with filled(database_url) as db:
        with pytest.raises(_StatementTimeoutError):
            async with db.unit_of_work(read_only=True) as session:
                await session.scalars(BY_ID)
    assert len(sent) == 1


class _StatementTimeoutError(Exception):
    """As no driver raises it: SQLAlchemy lets it pass."""


async def test_value_that_is_missing(database_url: str) -> None:
    """It is an error in SQLAlchemy's words."""
    statement = select(Note).where(Note.id == bindparam("of"))
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:
        with pytest.raises(StatementError, match="A value is required for bind parameter 'of'"):
            await session.scalars(statement)
        assert (await session.scalars(statement, {"of": 2, "other": 3})).one().id == 2


@pytest.mark.parametrize(
    "statement",
    [
        lambda: select(Note).where(Note.id.in_([1, 2])).order_by(Note.id),
        lambda: select(Note).where(Note.id < bindparam("most")).params(most=9).order_by(Note.id),
        lambda: select(Note).where(func.abs(Note.id) > 0).order_by(Note.id),
        lambda: select(Note).where(Note.text.in_(select(Note.text))).order_by(Note.id),
    ],
)
async def test_statements_of_other_forms(database_url: str, statement: Any) -> None:
    """Lists of values, values that were given before, functions, subqueries."""
    async with filled(database_url) as db:
        for _ in range(2):
            async with db.unit_of_work(read_only=True) as session:
                assert [note.id for note in await session.scalars(statement())] == [1, 2]


@pytest.mark.parametrize("options", [{"pool_recycle": 0}, {"pool_pre_ping": True}])
async def test_connections_that_are_looked_at_first(
    database_url: str, direct: Direct, options: dict[str, Any]
) -> None:
    """Where the program asks for it SQLAlchemy takes them out."""
    async with (
        filled(database_url, engine_options=options) as db,
        db.unit_of_work(read_only=True) as session,
    ):
        assert len((await session.scalars(BY_ID)).all()) == 2
    assert direct.count == 0


@pytest.mark.backends("sqlite", "asyncpg", "mariadb")
async def test_forgotten_session_loses_its_connection(database_url: str) -> None:
    """What nobody ends is closed by the garbage collector, and the pool has its place again."""
    async with filled(database_url) as db:
        unit = UnitOfWork(db._engines, Access.READ)
        await unit.session.scalars(BY_ID)
        assert in_use(db) == 1
        del unit
        gc.collect()
        assert in_use(db) == 0
        async with db.unit_of_work(read_only=True) as session:
            assert len((await session.scalars(BY_ID)).all()) == 2


async def test_who_waits_is_served_in_turn(database_url: str, direct: Direct) -> None:
    """With one connection for all, each reads over it when its turn comes."""
    async with filled(database_url, pool_size=1, max_overflow=0) as db:

        async def read() -> int:
            async with db.unit_of_work(read_only=True) as session:
                return len((await session.scalars(BY_ID)).all())

        assert await asyncio.gather(*(read() for _ in range(20))) == [2] * 20
        assert in_use(db) == 0
    assert direct.count == 20


async def test_waited_for_and_lost(database_url: str) -> None:
    """A connection that is waited for and has been invalidated is opened anew."""
    async with filled(database_url, pool_size=1, max_overflow=0) as db:
        async with db.unit_of_work(read_only=True) as first:
            await first.scalar(select(func.count(Note.id)))

            async def read() -> int:
                async with db.unit_of_work(read_only=True) as session:
                    return len((await session.scalars(BY_ID)).all())

            waiting = asyncio.create_task(read())
            await asyncio.sleep(0.01)
            await first.invalidate()
        assert await waiting == 2
        assert in_use(db) == 0


async def test_what_is_not_loaded(database_url: str) -> None:
    """An object that was read so says what is missing, as any other."""
    async with filled(database_url) as db, db.unit_of_work(read_only=True) as session:
        note = (await session.scalars(BY_ID)).first()
        assert note is not None
        session.expire(note)
        with pytest.raises(LazyLoadError, match=r"Note\.text is not loaded"):
            _ = note.text
        await session.refresh(note)
        assert note.text == "a"
