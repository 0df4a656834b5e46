"""A project in a folder of its own, with models of before and after, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model
from ormolu.resources.http._idempotency import idempotency_table


def first_tables() -> MetaData:
    """Return the tables that a project begins with: one refers to another, one is ours."""

    class Base(Model):
        __abstract__ = True
        metadata = MetaData(naming_convention=Model.metadata.naming_convention)

    class Label(Base):
        __tablename__ = "labels"
        id: Mapped[int] = mapped_column(primary_key=True)
        color: Mapped[str] = mapped_column(String(7), index=True)
        made_at: Mapped[datetime]

    class TaskLabel(Base):
        __tablename__ = "task_labels"
        id: Mapped[int] = mapped_column(primary_key=True)
        label_id: Mapped[int] = mapped_column(ForeignKey("labels.id", ondelete="CASCADE"))

    Base.registry.configure()
    idempotency_table(Base.metadata)
    return Base.metadata


def second_tables() -> MetaData:
    """Return the same with a longer color and one more table."""
    metadata = first_tables()
    metadata.tables["labels"].c.color.type = String(20)
    Table("users", metadata, Column("id", Integer, primary_key=True))
    return metadata


class Project:
    """A folder with revisions, and the database that they are of."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.said: list[str] = []

    def database(self, metadata: MetaData | None = None, **options: Any) -> Database:
        tables = first_tables() if metadata is None else metadata
        return Database(self.url, **{"metadata": tables, "schema": "ignore", **options})

    def migrations(self, metadata: MetaData | None = None) -> Any:
        migrations = self.database(metadata).migrations
        return type(migrations)(migrations.engines, self.said.append)

    async def revise(self, metadata: MetaData | None = None, message: str = "change") -> Path:
        """Write a revision, and run it."""
        migrations = self.migrations(metadata)
        (path,) = await migrations.revision(message)
        await migrations.upgrade()
        return Path(path)

    async def ask(self, sql: str) -> Any:
        async with self.database() as db, db.engine.begin() as connection:
            result = await connection.execute(text(sql))
            return result.scalar() if result.returns_rows else None

    async def look(self, function: Callable[[Any], Any]) -> Any:
        def inspected(connection: Connection) -> Any:
            return function(inspect(connection))

        async with self.database() as db, db.engine.connect() as connection:
            return await connection.run_sync(inspected)

    async def tables(self) -> set[str]:
        """Return the names of all tables but that of steps, which MariaDB alone has."""
        steps = {"ormolu_migration_steps"} if self.url.startswith("m") else set()
        return set(await self.look(lambda inspector: inspector.get_table_names())) - steps


async def there_and_back(
    project: Project, before: MetaData, after: MetaData, renames: dict[str, str] | None = None
) -> None:
    """Revise, go back, and upgrade again; each time nothing is left to do."""
    (path,) = await project.migrations(after).revision("change", renames=renames or {})
    await project.migrations(after).upgrade()
    await project.migrations(after).check()
    await project.migrations(after).downgrade("-1")
    path.rename(path.with_suffix(".hidden"))
    await project.migrations(before).check()
    path.with_suffix(".hidden").rename(path)
    await project.migrations(after).upgrade()


@pytest.fixture
def project(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project, with a folder for its revisions."""
    folder = tmp_path / "project"
    (folder / "migrations" / "versions").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return Project(database_url)
