"""What projects have besides: inheritance, dataclasses, tables mapped by hand, odd keys."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    composite,
    declared_attr,
    mapped_column,
    registry,
    relationship,
    synonym,
)

from tests.corpus.own_types import JSONB, Choices, Color, JSONText
from tests.corpus.tables import METADATA, NATIVE


class Base(DeclarativeBase):
    metadata = METADATA


class DataBase(MappedAsDataclass, DeclarativeBase):
    metadata = METADATA


# Joined, single and concrete inheritance.
class Employee(Base):
    __tablename__ = "le_employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}


class Engineer(Employee):
    __tablename__ = "le_engineers"
    id: Mapped[int] = mapped_column(ForeignKey("le_employees.id"), primary_key=True)
    language: Mapped[str | None] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_identity": "engineer"}


class Page(Base):
    __tablename__ = "le_pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(60))


class Post(Page):
    __tablename__ = "le_posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(60))
    words: Mapped[int] = mapped_column(default=0)
    __mapper_args__ = {"concrete": True}


# Versions.
class Dashboard(Base):
    __tablename__ = "le_dashboards"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(100))
    options: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(JSONB), default=dict)
    layout: Mapped[list[Any]] = mapped_column(MutableList.as_mutable(JSONB), default=list)
    __mapper_args__ = {"version_id_col": version}


class Query(Base):
    __tablename__ = "le_queries"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    text: Mapped[str] = mapped_column("query", sa.Text)
    schedule: Mapped[dict[str, Any] | None] = mapped_column(JSONText)
    __mapper_args__ = {"version_id_col": version}


class Stamp(Base):
    __tablename__ = "le_stamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(String(32))
    text: Mapped[str | None] = mapped_column(String(60))
    __mapper_args__ = {
        "version_id_col": tag, "version_id_generator": lambda _version: uuid.uuid4().hex,
    }  # fmt: skip


# Dataclasses.
class Currency(DataBase):
    __tablename__ = "le_currencies"
    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    digits: Mapped[int] = mapped_column(default=2)


class Reading(DataBase):
    __tablename__ = "le_readings"
    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    value: Mapped[float]
    tags: Mapped[list[str]] = mapped_column(JSONB, default_factory=list)
    note: Mapped[str | None] = mapped_column(String(60), default=None)


class Slot(DataBase):
    __tablename__ = "le_slots"
    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    begins: Mapped[time]
    day: Mapped[date]
    label: Mapped[str] = mapped_column(String(60), default="")

    def __post_init__(self) -> None:
        self.label = self.label or "free"


# Tables that were there first.
PARTS = Table(
    "le_parts", METADATA,
    Column("part_no", String(20), primary_key=True),
    Column("weight", sa.Numeric(8, 2)),
    Column("price", sa.Numeric(10, 2), server_default=sa.text("0")),
)  # fmt: skip
STOCK = Table(
    "le_stock", METADATA,
    Column("place", String(10), primary_key=True),
    Column("part_no", String(20), ForeignKey("le_parts.part_no"), primary_key=True),
    Column("amount", Integer, nullable=False),
)  # fmt: skip


class Part(Base):
    __table__ = PARTS
    number: Mapped[str] = synonym("part_no")


@dataclass
class Stock:
    """Mapped by hand."""

    place: str
    part_no: str
    amount: int


BY_HAND = registry(metadata=METADATA)
BY_HAND.map_imperatively(Stock, STOCK)


# Keys.
class Holiday(Base):
    __tablename__ = "le_holidays"
    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))


class Shade(Base):
    __tablename__ = "le_shades"
    color: Mapped[Color] = mapped_column(sa.Enum(Color, name="le_color"), primary_key=True)
    hex: Mapped[str | None] = mapped_column(String(7))


class Ticket(Base):
    __tablename__ = "le_tickets"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    subject: Mapped[str] = mapped_column(String(100))


class Asset(Base):
    __tablename__ = "le_assets"
    id: Mapped[uuid.UUID] = mapped_column(
        sa.Uuid(native_uuid=False), primary_key=True, default=uuid.uuid4
    )
    name: Mapped[str | None] = mapped_column(String(60))


class Rate(Base):
    __tablename__ = "le_rates"
    base: Mapped[str] = mapped_column(String(3), primary_key=True)
    other: Mapped[str] = mapped_column(String(3), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[Decimal] = mapped_column(sa.Numeric(12, 6))


# Moments of every make.
def _doubled(context: Any) -> Any:
    return context.get_current_parameters()["amount"] * 2


class Audit(Base):
    __tablename__ = "le_audits"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    double: Mapped[int] = mapped_column(default=_doubled)
    at: Mapped[datetime] = mapped_column(server_default=sa.func.current_timestamp())
    changed: Mapped[datetime | None] = mapped_column(onupdate=lambda: datetime.now(UTC))
    seen: Mapped[datetime | None] = mapped_column(server_onupdate=sa.FetchedValue())


class Timed:
    """Moments by declared_attr."""

    @declared_attr
    def made(cls) -> Mapped[datetime]:
        return mapped_column(sa.DateTime(timezone=True), default=lambda: datetime.now(UTC))


class Invitation(Base, Timed):
    __tablename__ = "le_invitations"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), default=lambda: datetime.now(UTC) + timedelta(days=7)
    )

    @hybrid_property
    def is_expired(self) -> Any:
        return self.expires_at < datetime.now(UTC)


class Job(Base, Timed):
    __tablename__ = "le_jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Choices("queued", "running", "done"), default="queued")
    payload: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    took: Mapped[timedelta | None] = mapped_column(sa.Interval)
    priority: Mapped[int] = mapped_column(sa.SmallInteger, default=0)

    @hybrid_property
    def is_waiting(self) -> Any:
        return self.state == "queued"


# Composites, circles, trees.
@dataclass(frozen=True)
class Place:
    """Two columns as one."""

    latitude: float
    longitude: float


class Stop(Base):
    __tablename__ = "le_stops"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    place: Mapped[Place] = composite(mapped_column("lat"), mapped_column("lon"))


class Node(Base):
    __tablename__ = "le_nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(60))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("le_nodes.id", ondelete="SET NULL"))
    children: Mapped[list[Node]] = relationship(
        back_populates="parent", cascade="save-update, merge"
    )
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])


class Folder(Base):
    __tablename__ = "le_folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("le_folders.id"))
    folders: Mapped[list[Folder]] = relationship(cascade="all, delete-orphan", single_parent=True)


# What one backend alone has.
class Native(DeclarativeBase):
    metadata = NATIVE


class Host(Native):
    __tablename__ = "le_hosts"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(postgresql.INET)
    mac: Mapped[str | None] = mapped_column(postgresql.MACADDR)
    ports: Mapped[list[int] | None] = mapped_column(postgresql.ARRAY(Integer))


class Article(Native):
    __tablename__ = "le_articles"
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    body: Mapped[str] = mapped_column(sa.Text)
    found: Mapped[Any] = mapped_column(
        postgresql.TSVECTOR, sa.Computed("to_tsvector('english', body)", persisted=True)
    )


class Level(enum.IntEnum):
    """By its number."""

    LOW = 1
    HIGH = 2


class Report(Native):
    __tablename__ = "le_reports"
    __table_args__ = {"schema": "le_reporting"}
    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=sa.text("gen_random_uuid()")
    )
    level: Mapped[Level] = mapped_column(sa.Enum(Level, name="le_level"))
    span: Mapped[Any | None] = mapped_column(postgresql.DATERANGE)
