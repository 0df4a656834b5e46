"""A server of flows: own types of UUIDs and moments in every class, the database's own defaults."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from tests.corpus.clock import utc_now
from tests.corpus.own_types import GUID, JSONB, Palette, Pydantic, Seconds, UTCMoment
from tests.corpus.tables import METADATA


class StateType(enum.StrEnum):
    """What a run is doing."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"


class Base(DeclarativeBase):
    metadata = METADATA
    __mapper_args__ = {"eager_defaults": True}
    type_annotation_map = {uuid.UUID: GUID, datetime: UTCMoment}

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return "fl_" + cls.__name__.lower()

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    created: Mapped[datetime] = mapped_column(default=utc_now)
    updated: Mapped[datetime] = mapped_column(index=True, default=utc_now, onupdate=utc_now)


class Run:
    """What all runs have."""

    name: Mapped[str] = mapped_column(String(60), index=True)
    state_type: Mapped[StateType | None] = mapped_column(sa.Enum(StateType, name="fl_state_type"))
    run_count: Mapped[int] = mapped_column(server_default="0", default=0)
    expected_start: Mapped[datetime | None]
    total_run_time: Mapped[timedelta] = mapped_column(
        Seconds, server_default="0", default=timedelta(0)
    )


class Flow(Base):
    name: Mapped[str] = mapped_column(String(60), unique=True)
    tags: Mapped[list[str]] = mapped_column(sa.JSON, server_default="[]", default=list)
    labels: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    flow_runs: Mapped[list[FlowRun]] = relationship(back_populates="flow", lazy="raise")


class FlowRun(Base, Run):
    flow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fl_flow.id", ondelete="cascade"))
    deployment_id: Mapped[uuid.UUID | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(sa.JSON, server_default="{}", default=dict)
    flow: Mapped[Flow] = relationship(back_populates="flow_runs", lazy="raise")
    task_runs: Mapped[list[TaskRun]] = relationship(back_populates="flow_run", lazy="raise")


class TaskRun(Base, Run):
    flow_run_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("fl_flowrun.id", ondelete="cascade")
    )
    task_key: Mapped[str] = mapped_column(String(60))
    dynamic_key: Mapped[str] = mapped_column(String(60))
    flow_run: Mapped[FlowRun | None] = relationship(back_populates="task_runs", lazy="raise")


class FlowRunState(Base):
    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fl_flowrun.id", ondelete="cascade"))
    type: Mapped[StateType] = mapped_column(sa.Enum(StateType, name="fl_state_type"))
    at: Mapped[datetime] = mapped_column("timestamp", server_default=sa.func.now())
    message: Mapped[str | None]


class TaskRunState(Base):
    task_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fl_taskrun.id", ondelete="cascade"))
    type: Mapped[StateType] = mapped_column(sa.Enum(StateType, name="fl_state_type"))
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)


class Deployment(Base):
    name: Mapped[str] = mapped_column(String(60))
    description: Mapped[str | None] = mapped_column(sa.Text)
    paused: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    flow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("fl_flow.id", ondelete="CASCADE"))
    palette: Mapped[Palette | None] = mapped_column(Pydantic)
    schedules: Mapped[list[Schedule]] = relationship(
        lazy="selectin", order_by="Schedule.created", passive_deletes=True
    )


class Schedule(Base):
    deployment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("fl_deployment.id", ondelete="CASCADE")
    )
    active: Mapped[bool] = mapped_column(default=True)
    max_runs: Mapped[int | None]


class WorkPool(Base):
    name: Mapped[str] = mapped_column(String(60), unique=True)
    type: Mapped[str] = mapped_column(String(60))
    base_job: Mapped[dict[str, Any]] = mapped_column(sa.JSON, server_default="{}", default={})
    default_queue_id: Mapped[uuid.UUID | None]


class WorkQueue(Base):
    name: Mapped[str] = mapped_column(String(60))
    priority: Mapped[int] = mapped_column(index=True)
    work_pool_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("fl_workpool.id", ondelete="cascade")
    )
    work_pool: Mapped[WorkPool] = relationship(lazy="selectin")


class Worker(Base):
    work_pool_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("fl_workpool.id", ondelete="cascade")
    )
    name: Mapped[str] = mapped_column(String(60))
    last_heartbeat: Mapped[datetime] = mapped_column(server_default=sa.func.now(), default=utc_now)


class BlockType(Base):
    name: Mapped[str] = mapped_column(String(60))
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    is_protected: Mapped[bool] = mapped_column(default=False)


class BlockSchema(Base):
    checksum: Mapped[str] = mapped_column(String(60))
    capabilities: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    block_type_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("fl_blocktype.id", ondelete="cascade")
    )


class BlockDocument(Base):
    name: Mapped[str] = mapped_column(String(60))
    data: Mapped[Any] = mapped_column(sa.JSON, default=dict)
    block_type_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("fl_blocktype.id", ondelete="cascade")
    )


class Artifact(Base):
    key: Mapped[str | None] = mapped_column(String(60), index=True)
    kind: Mapped[str | None] = mapped_column(String(20))
    data: Mapped[Any | None] = mapped_column(sa.JSON)


class Log(Base):
    name: Mapped[str] = mapped_column(String(60))
    level: Mapped[int] = mapped_column(sa.SmallInteger, index=True)
    message: Mapped[str] = mapped_column(sa.Text)
    flow_run_id: Mapped[uuid.UUID | None]


class Variable(Base):
    name: Mapped[str] = mapped_column(String(60), unique=True)
    value: Mapped[Any | None] = mapped_column(sa.JSON)


class ConcurrencyLimit(Base):
    tag: Mapped[str] = mapped_column(String(60), unique=True)
    concurrency_limit: Mapped[int]
    active_slots: Mapped[list[str]] = mapped_column(sa.JSON, default=list)


class SavedSearch(Base):
    name: Mapped[str] = mapped_column(String(60), unique=True)
    filters: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON, default=list)


class Automation(Base):
    name: Mapped[str] = mapped_column(String(60))
    enabled: Mapped[bool] = mapped_column(default=True)
    actions: Mapped[Any] = mapped_column(sa.JSON, default=list)

    @classmethod
    def sort(cls) -> Any:
        return cls.created.desc()


class Configuration(Base):
    key: Mapped[str] = mapped_column(String(60), unique=True)
    value: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
