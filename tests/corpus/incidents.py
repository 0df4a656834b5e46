"""The desk of incidents: classic columns, backrefs, rows that go with others, listeners."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, Table, event
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, backref, mapped_column, relationship

from tests.corpus.own_types import JSONB, Search
from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA


class Stamped:
    """Moments of a row."""

    created_at = Column(DateTime, default=datetime.now)
    updated_at = Column(DateTime, default=datetime.now)


class Touched(Stamped):
    """Moments that a listener keeps, of those rows that are kept long."""

    @staticmethod
    def _touch(_mapper: Any, _connection: Any, target: Any) -> None:
        target.updated_at = datetime.now()

    @classmethod
    def __declare_last__(cls) -> None:
        event.listen(cls, "before_update", cls._touch)


class OfProject:
    """What belongs to a project."""

    @sa.orm.declared_attr
    def project_id(cls) -> Mapped[int | None]:
        return mapped_column(Integer, ForeignKey("in_project.id", ondelete="CASCADE"))

    @sa.orm.declared_attr
    def project(cls) -> Mapped[Project | None]:
        return relationship()


def _pairs(name: str, one: str, other: str) -> Table:
    return Table(
        name, METADATA,
        Column("one_id", Integer, ForeignKey(f"{one}.id", ondelete="CASCADE"), primary_key=True),
        Column("two_id", Integer, ForeignKey(f"{other}.id", ondelete="CASCADE"), primary_key=True),
    )  # fmt: skip


INCIDENT_TAGS = _pairs("in_incident_tags", "in_incident", "in_tag")
CASE_TAGS = _pairs("in_case_tags", "in_case", "in_tag")
SERVICE_TAGS = _pairs("in_service_terms", "in_service", "in_term")


class Organization(Base):
    __tablename__ = "in_organization"
    id = Column(Integer, primary_key=True)
    name = Column(String(60), unique=True)
    slug = Column(String(60))
    default = Column(Boolean, default=False)
    projects = relationship("Project", back_populates="organization")


class Project(Base):
    __tablename__ = "in_project"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    color = Column(String(7))
    organization_id = Column(Integer, ForeignKey("in_organization.id"))
    organization = relationship("Organization", back_populates="projects")
    display_name = Column(String(60), nullable=False, server_default="")
    annual_cost = Column(Integer, default=50000)

    @hybrid_property
    def slug(self) -> Any:
        return self.name


class Tag(Base, Stamped, OfProject):
    __tablename__ = "in_tag"
    __table_args__ = (sa.UniqueConstraint("name", "tag_type_id"),)
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    source = Column(String(60))
    discoverable = Column(Boolean, default=True)
    tag_type_id = Column(Integer, ForeignKey("in_tag_type.id"), nullable=False)
    tag_type = relationship("TagType", backref="tag")


class TagType(Base, Stamped, OfProject):
    __tablename__ = "in_tag_type"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    exclusive = Column(Boolean, default=False)


class Term(Base, Stamped):
    __tablename__ = "in_term"
    id = Column(Integer, primary_key=True)
    text = Column(String(60))
    definitions = relationship("Definition", backref="term", cascade="all, delete-orphan")


class Definition(Base, Stamped):
    __tablename__ = "in_definition"
    id = Column(Integer, primary_key=True)
    text = Column(String(200))
    term_id = Column(Integer, ForeignKey("in_term.id"))


class Service(Base, Stamped, OfProject):
    __tablename__ = "in_service"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    is_active = Column(Boolean, default=True)
    external_id = Column(String(60))
    health_metrics = Column(Boolean, default=False)
    terms = relationship("Term", secondary=SERVICE_TAGS, backref="services")
    search_vector = Column(Search().with_variant(sa.Text(), "sqlite"))


class Individual(Base, Stamped, OfProject):
    __tablename__ = "in_individual"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    email = Column(String(120))
    mobile_phone = Column(String(30))
    participants = relationship("Participant", backref="individual", lazy="subquery")


class Severity(Base, OfProject):
    __tablename__ = "in_severity"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    enabled = Column(Boolean, default=True)
    view_order = Column(Integer, default=9999)


class Priority(Base, OfProject):
    __tablename__ = "in_priority"
    id = Column(Integer, primary_key=True)
    name = Column(String(60), nullable=False)
    page_commander = Column(Boolean, default=False)


class IncidentType(Base, OfProject):
    __tablename__ = "in_incident_type"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    plugin_metadata = Column(JSONB, default=[])
    cost_model_id = Column(Integer, ForeignKey("in_cost_model.id"), nullable=True)
    cost_model = relationship("CostModel", foreign_keys=[cost_model_id])


class CostModel(Base, Touched, OfProject):
    __tablename__ = "in_cost_model"
    id = Column(Integer, primary_key=True)
    name = Column(String(60), nullable=False)
    enabled = Column(Boolean)
    activities = relationship(
        "CostActivity", backref="cost_model", cascade="all, delete-orphan", lazy="subquery"
    )


class CostActivity(Base):
    __tablename__ = "in_cost_activity"
    id = Column(Integer, primary_key=True)
    response_time_seconds = Column(Integer, default=300)
    enabled = Column(Boolean, default=True)
    cost_model_id = Column(Integer, ForeignKey("in_cost_model.id"))


class Case(Base, Touched, OfProject):
    __tablename__ = "in_case"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    title = Column(String(120), nullable=False)
    status = Column(String(20), default="New")
    reported_at = Column(DateTime, default=datetime.now)
    closed_at = Column(DateTime)
    duplicate_id = Column(Integer, ForeignKey("in_case.id"))
    duplicates = relationship("Case", remote_side=[id], uselist=True, foreign_keys=[duplicate_id])
    tags = relationship("Tag", secondary=CASE_TAGS, backref="cases")
    notes = relationship(
        "CaseNotes", back_populates="case", cascade="all, delete-orphan", uselist=False
    )
    documents = relationship("Document", backref="case", cascade="all, delete-orphan")


class CaseNotes(Base, Stamped):
    __tablename__ = "in_case_notes"
    id = Column(Integer, primary_key=True)
    content = Column(JSONB)
    case_id = Column(Integer, ForeignKey("in_case.id", ondelete="CASCADE"))
    case = relationship("Case", back_populates="notes")


class Incident(Base, Touched, OfProject):
    __tablename__ = "in_incident"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    title = Column(String(120), nullable=False)
    description = Column(sa.Text, nullable=False)
    status = Column(String(20), default="Active")
    reported_at = Column(DateTime, default=datetime.now)
    severity_id = Column(Integer, ForeignKey("in_severity.id"))
    severity = relationship("Severity", backref="incident")
    priority_id = Column(Integer, ForeignKey("in_priority.id"))
    priority = relationship("Priority", backref="incident")
    participants = relationship("Participant", backref="incident", cascade="all, delete-orphan")
    tasks = relationship("Task", backref="incident", cascade="all, delete-orphan")
    tags = relationship("Tag", secondary=INCIDENT_TAGS, backref="incidents")

    @hybrid_property
    def total(self) -> Any:
        return self.id


class Participant(Base):
    __tablename__ = "in_participant"
    id = Column(Integer, primary_key=True)
    incident_id = Column(Integer, ForeignKey("in_incident.id", ondelete="CASCADE"))
    individual_id = Column(Integer, ForeignKey("in_individual.id"))
    team = Column(String(60))
    location = Column(String(60))
    roles = relationship(
        "Role", backref="participant", lazy="subquery", cascade="all, delete-orphan"
    )
    role_names = association_proxy("roles", "role")


class Role(Base):
    __tablename__ = "in_role"
    id = Column(Integer, primary_key=True)
    assumed_at = Column(DateTime, default=datetime.now)
    renounced_at = Column(DateTime)
    role = Column(String(20), default="Observer")
    participant_id = Column(Integer, ForeignKey("in_participant.id", ondelete="CASCADE"))


class Document(Base, Stamped):
    __tablename__ = "in_document"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    weblink = Column(String(120))
    evergreen = Column(Boolean, default=False)
    evergreen_interval = Column(Integer, default=90)
    case_id = Column(Integer, ForeignKey("in_case.id", ondelete="CASCADE"))


class Task(Base, Stamped):
    __tablename__ = "in_task"
    id = Column(Integer, primary_key=True)
    description = Column(String(200))
    resolve_by = Column(DateTime)
    status = Column(String(20), default="Open")
    incident_id = Column(Integer, ForeignKey("in_incident.id", ondelete="CASCADE"))
    reminders = relationship(
        "Reminder", backref=backref("task", uselist=False), passive_deletes=True,
        cascade="all, delete",
    )  # fmt: skip


class Reminder(Base):
    __tablename__ = "in_reminder"
    id = Column(Integer, primary_key=True)
    due_at = Column(DateTime)
    task_id = Column(Integer, ForeignKey("in_task.id", ondelete="CASCADE"))


class Feedback(Base, Stamped, OfProject):
    __tablename__ = "in_feedback"
    id = Column(Integer, primary_key=True)
    rating = Column(String(30), default="satisfied")
    feedback = Column(String(200))
    incident_id = Column(Integer, ForeignKey("in_incident.id"))


class Plugin(Base):
    __tablename__ = "in_plugin"
    id = Column(Integer, primary_key=True)
    title = Column(String(60))
    slug = Column(String(60), unique=True)
    multiple = Column(Boolean)
    instances = relationship("PluginInstance", backref="plugin", cascade="all, delete-orphan")
    search_vector = Column(Search().with_variant(sa.Text(), "sqlite"))


class PluginInstance(Base, OfProject):
    __tablename__ = "in_plugin_instance"
    id = Column(Integer, primary_key=True)
    enabled = Column(Boolean)
    configuration = Column(JSONB)
    plugin_id = Column(Integer, ForeignKey("in_plugin.id"))


class Signal(Base, Stamped, OfProject):
    __tablename__ = "in_signal"
    id = Column(Integer, primary_key=True)
    name = Column(String(60))
    external_url = Column(String(120))
    loopin = Column(JSONB, default=[])
    create_case = Column(Boolean, default=True)


class SignalInstance(Base, Stamped):
    __tablename__ = "in_signal_instance"
    id = Column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    raw = Column(JSONB)
    signal_id = Column(Integer, ForeignKey("in_signal.id"))
    signal = relationship("Signal", backref="instances")
