"""A model of serialisable transactions, and the same steps on `sqlite+ormolu`, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["KEYS", "Begin", "Program", "Step", "replay"]

Begin = Literal["auto", "immediate", "read only"]
Step = tuple[Literal["read", "write", "savepoint", "rollback to", "release"], str]
State = dict[str, int]

KEYS = ("a", "b")

READ = text("SELECT value FROM kv WHERE key = :key")
WRITE = text("UPDATE kv SET value = :value WHERE key = :key")


@dataclass(frozen=True)
class Program:
    """What one transaction does: its steps, and whether it commits."""

    begin: Begin
    steps: tuple[Step, ...]
    commits: bool


@dataclass
class Model:
    """The committed states, newest last, who holds the write lock, and all transactions."""

    states: list[State]
    writer: Transaction | None = None
    transactions: list[Transaction] = field(default_factory=list)


@dataclass(eq=False)
class Transaction:
    """One transaction in the model and on its connection.

    Attributes:
        snapshot: Index of the state that it sees; None before its first read or write.
        own: What it sees.
        savepoints: What it saw at each of them.
        last: What it read last; its writes depend on it.
        may_be_stale: Whether a transaction has written since, and undone all of it.
    """

    model: Model
    program: Program
    connection: AsyncConnection
    snapshot: int | None = None
    own: State = field(default_factory=dict)
    savepoints: list[State | None] = field(default_factory=list)
    last: int = 1
    is_writer: bool = False
    has_written: bool = False
    may_be_stale: bool = False
    done: int = 0
    is_over: bool = False

    async def advance(self) -> None:
        """Do the next step, or the end; the model says whether it must succeed."""
        if self.done == len(self.program.steps):
            await self.end(commits=self.program.commits)
            return
        kind, key = self.program.steps[self.done]
        self.done += 1
        is_possible = self.can(kind)
        try:
            await self.act(kind, key)
        except OperationalError:
            assert not is_possible or self.may_be_stale, (kind, key)
            await self.end(commits=False)
        else:
            assert is_possible, (kind, key)

    def can(self, kind: str) -> bool:
        """Tell whether a step is possible, and take the snapshot and the lock that it takes."""
        if kind == "savepoint" or (kind in {"rollback to", "release"} and not self.savepoints):
            return True
        needs_lock = kind == "write" or (self.program.begin == "immediate" and not self.is_writer)
        if needs_lock and self.program.begin == "read only":
            # BEGIN has been sent, and with it nothing was read yet.
            return False
        if needs_lock and not self.is_writer:
            is_stale = self.snapshot is not None and self.snapshot < len(self.model.states) - 1
            if self.model.writer is not None or is_stale:
                return False
            self.model.writer, self.is_writer = self, True
        if self.snapshot is None and (kind in {"read", "write"} or needs_lock):
            self.snapshot = len(self.model.states) - 1
            self.own = dict(self.model.states[-1])
        return True

    async def act(self, kind: str, key: str) -> None:
        """Do a step on the connection, and compare what it reads with the model."""
        if kind == "read":
            value = (await self.connection.execute(READ, {"key": key})).scalar_one()
            assert value == self.own[key]
            self.last = value
        elif kind == "write":
            value = (self.last * 3 + len(self.program.steps)) % 1009
            await self.connection.execute(WRITE, {"key": key, "value": value})
            self.own[key] = value
            self.has_written = True
        elif kind == "savepoint":
            await self.connection.exec_driver_sql(f"SAVEPOINT s{len(self.savepoints)}")
            self.savepoints.append(dict(self.own) if self.snapshot is not None else None)
        elif self.savepoints:
            await self.leave_savepoint(kind)

    async def leave_savepoint(self, kind: str) -> None:
        """Undo or keep what was done since the last savepoint."""
        before = self.savepoints.pop()
        name = f"s{len(self.savepoints)}"
        if kind == "release":
            await self.connection.exec_driver_sql(f"RELEASE {name}")
            return
        await self.connection.exec_driver_sql(f"ROLLBACK TO {name}")
        await self.connection.exec_driver_sql(f"RELEASE {name}")
        if self.snapshot is not None:
            self.own = dict(self.model.states[self.snapshot]) if before is None else before

    async def end(self, *, commits: bool) -> None:
        """Commit or roll back; a commit of a writer is the new state."""
        self.is_over = True
        await (self.connection.commit() if commits else self.connection.rollback())
        if self.is_writer:
            self.model.writer = None
            if commits and self.has_written:
                self.store()

    def store(self) -> None:
        """Make what it sees the newest state."""
        if self.own != self.model.states[-1]:
            self.model.states.append(self.own)
            return
        for other in self.model.transactions:
            other.may_be_stale = other.may_be_stale or other.snapshot is not None


async def replay(engine: AsyncEngine, programs: Sequence[Program], schedule: list[int]) -> None:
    """Run transactions in an order of steps, and compare all that they see with the model."""
    model = Model([dict.fromkeys(KEYS, 0)])
    transactions = model.transactions
    async with engine.connect() as one, engine.connect() as two, engine.connect() as three:
        await one.exec_driver_sql("UPDATE kv SET value = 0")
        await one.commit()
        for program, plain in zip(programs, (one, two, three), strict=False):
            connection = await plain.execution_options(sqlite_begin=program.begin)
            transactions.append(Transaction(model, program, connection))
        remaining = [step for index in range(len(programs)) for step in [index] * 20]
        for index in [number % len(programs) for number in schedule] + remaining:
            if not transactions[index].is_over:
                await transactions[index].advance()
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT key, value FROM kv")
        assert {row.key: row.value for row in rows} == model.states[-1]
