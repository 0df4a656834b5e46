"""The tables of the tracker: tenants, who belongs to them, and what they work on."""

from __future__ import annotations

import enum
from datetime import datetime

from pydantic import NonNegativeInt
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import Model, UTCDateTime


class Base(Model):
    """Keeps the tracker's tables apart from those of other applications in one process."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Role(enum.Enum):
    """What a member may do in a tenant."""

    VIEWER = "viewer"
    WORKER = "worker"
    OWNER = "owner"


class Status(enum.Enum):
    """Where a task is."""

    OPEN = "open"
    DOING = "doing"
    DONE = "done"


class Tenant(Base):
    """A customer of the tracker."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)


class User(Base):
    """Somebody who can log in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(120), unique=True)
    password_hash: Mapped[bytes] = mapped_column(LargeBinary(100))


class Member(Base):
    """A user in a tenant."""

    __tablename__ = "members"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(default=Role.WORKER)
    user: Mapped[User] = relationship()


class Token(Base):
    """What a user shows with each request; only its hash is kept."""

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Project(Base):
    """What a tenant's tasks belong to."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(80))
    tasks: Mapped[list[Task]] = relationship(back_populates="project", order_by="Task.position")


task_labels = Table(
    "task_labels",
    Base.metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("label_id", ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True),
)


class Label(Base):
    """A word to find tasks by."""

    __tablename__ = "labels"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(30))


class Task(Base):
    """Something to do. One that is deleted stays, and is shown to nobody."""

    __tablename__ = "tasks"
    __table_args__ = (Index("ix_tasks_project_position", "project_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str | None] = mapped_column(Text)
    status: Mapped[Status] = mapped_column(default=Status.OPEN)
    minutes: Mapped[NonNegativeInt] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    version: Mapped[int] = mapped_column()
    project: Mapped[Project] = relationship(back_populates="tasks")
    labels: Mapped[list[Label]] = relationship(secondary=task_labels, order_by=Label.name)
    comments: Mapped[list[Comment]] = relationship(
        back_populates="task", cascade="all, delete-orphan", passive_deletes=True
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Comment(Base):
    """What somebody says of a task."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    task: Mapped[Task] = relationship(back_populates="comments")


class Attachment(Base):
    """A file of a task."""

    __tablename__ = "attachments"

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    content: Mapped[bytes] = mapped_column(LargeBinary(2**20))


class Job(Base):
    """Work for `jobs.work`, outside the web."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


class ArchiveBase(DeclarativeBase):
    """The tables of the second database."""


class Entry(ArchiveBase):
    """Who did what; kept in a database of its own."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(index=True)
    what: Mapped[str] = mapped_column(String(200))
