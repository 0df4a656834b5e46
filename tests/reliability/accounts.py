"""The application that these tests break: accounts with a unique name and a balance."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import Dialect, ForeignKeyConstraint, MetaData, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool

from ormolu import Database, Model, SessionDep


def _can_defer(*_context: Any, dialect: Dialect, **_options: Any) -> bool:
    return dialect.name in {"sqlite", "postgresql"}


class Base(Model):
    """Keeps these tables apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    balance: Mapped[int] = mapped_column(default=0)


class Owner(Base):
    """A row whose foreign key is only checked at COMMIT, where the backend can do that."""

    __tablename__ = "owners"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], deferrable=True, initially="DEFERRED"
        ).ddl_if(callable_=_can_defer),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]


def make_database(url: str, **options: object) -> Database:
    """Return a database with the tables of this file."""
    return Database(url, metadata=Base.metadata, **options)  # type: ignore[arg-type]


def make_app(db: Database) -> FastAPI:
    """Return the application on a database."""
    app = FastAPI()
    db.attach(app)

    @app.post("/accounts", status_code=201)
    async def create(name: str, session: SessionDep) -> int:
        account = Account(name=name)
        session.add(account)
        await session.flush()
        return account.id

    @app.get("/accounts/{number}")
    async def read(number: int, session: SessionDep) -> str:
        return (await session.get_one(Account, number)).name

    @app.get("/accounts")
    async def count(session: SessionDep) -> int:
        return len((await session.scalars(select(Account.id))).all())

    @app.post("/accounts/{number}/increments")
    async def increment(number: int, session: SessionDep) -> int:
        account = await session.get_one(Account, number, with_for_update=True)
        account.balance += 1
        return account.balance

    @app.delete("/accounts/{number}")
    async def delete(number: int, session: SessionDep) -> str:
        await session.delete(await session.get_one(Account, number))
        return "deleted"

    @app.post("/pairs", status_code=201)
    async def create_pair(name: str, session: SessionDep) -> str:
        session.add(Account(name=f"{name}-1"))
        await session.flush()
        session.add(Account(name=f"{name}-2"))
        return name

    @app.post("/owners", status_code=201)
    async def create_owner(account_id: int, session: SessionDep) -> str:
        session.add(Owner(account_id=account_id))
        return "stored"

    return app


async def rows_of(url: str) -> list[tuple[int, str, int]]:
    """Read the accounts on a connection that is none of ours."""
    engine = create_async_engine(url.replace("sqlite:", "sqlite+ormolu:"), poolclass=NullPool)
    async with engine.connect() as connection:
        query = select(Account.id, Account.name, Account.balance).order_by(Account.id)
        rows = [tuple(row) for row in await connection.execute(query)]
    await engine.dispose()
    return rows  # type: ignore[return-value]


def checked_out(db: Database) -> int:
    """Count the connections that are out of the pools of the running loop."""
    pair = db._engines.opened
    pools = [pair.reader.sync_engine.pool, pair.writer.sync_engine.pool]
    return sum(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]
