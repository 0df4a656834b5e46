"""Studies and their trials: whole numbers, enumerations by name, constraints, cascades."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, DateTime, Float, ForeignKey, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, backref, mapped_column, relationship

from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA


class Direction(enum.Enum):
    """Whether more is better."""

    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


class State(enum.Enum):
    """Where a trial is."""

    RUNNING = 0
    COMPLETE = 1


def _along(name: str) -> Any:
    return backref(name, cascade="all, delete-orphan")


class Study(Base):
    __tablename__ = "tr_studies"
    study_id = Column(Integer, primary_key=True)
    study_name = Column(String(200), index=True, unique=True, nullable=False)


class StudyDirection(Base):
    __tablename__ = "tr_study_directions"
    __table_args__ = (sa.UniqueConstraint("study_id", "objective"),)
    study_direction_id = Column(Integer, primary_key=True)
    direction: Mapped[Direction] = mapped_column(
        sa.Enum(Direction, name="tr_direction"), nullable=False
    )
    study_id = Column(Integer, ForeignKey("tr_studies.study_id"), nullable=False)
    objective = Column(Integer, nullable=False)
    study = relationship(Study, backref=_along("directions"))


class StudyUserAttribute(Base):
    __tablename__ = "tr_study_user_attributes"
    __table_args__ = (sa.UniqueConstraint("study_id", "key"),)
    study_user_attribute_id = Column(Integer, primary_key=True)
    study_id = Column(Integer, ForeignKey("tr_studies.study_id"))
    key = Column(String(60))
    value_json = Column(sa.Text)
    study = relationship(Study, backref=_along("user_attributes"))


class StudySystemAttribute(Base):
    __tablename__ = "tr_study_system_attributes"
    study_system_attribute_id = Column(Integer, primary_key=True)
    study_id = Column(Integer, ForeignKey("tr_studies.study_id"))
    key = Column(String(60))
    value_json = Column(sa.Text)


class Trial(Base):
    __tablename__ = "tr_trials"
    trial_id = Column(Integer, primary_key=True)
    number = Column(Integer)
    study_id = Column(Integer, ForeignKey("tr_studies.study_id"), index=True)
    state: Mapped[State] = mapped_column(sa.Enum(State, name="tr_state"), nullable=False)
    started = Column(DateTime)
    completed = Column(DateTime)
    study = relationship(Study, backref=_along("trials"))


class TrialUserAttribute(Base):
    __tablename__ = "tr_trial_user_attributes"
    trial_user_attribute_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"))
    key = Column(String(60))
    value_json = Column(sa.Text)
    trial = relationship(Trial, backref=_along("user_attributes"))


class TrialSystemAttribute(Base):
    __tablename__ = "tr_trial_system_attributes"
    trial_system_attribute_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"))
    key = Column(String(60))
    value_json = Column(sa.Text)


class TrialParam(Base):
    __tablename__ = "tr_trial_params"
    __table_args__ = (sa.UniqueConstraint("trial_id", "param_name"),)
    param_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"))
    param_name = Column(String(60))
    param_value = Column(Float(precision=53))
    distribution_json = Column(sa.Text)


class TrialValue(Base):
    __tablename__ = "tr_trial_values"
    trial_value_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"), nullable=False)
    objective = Column(Integer, nullable=False)
    value = Column(Float(precision=53), nullable=True)


class TrialIntermediateValue(Base):
    __tablename__ = "tr_trial_intermediate_values"
    trial_intermediate_value_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"), nullable=False)
    step = Column(Integer, nullable=False)
    intermediate_value = Column(Float(precision=53), nullable=True)


class TrialHeartbeat(Base):
    __tablename__ = "tr_trial_heartbeats"
    trial_heartbeat_id = Column(Integer, primary_key=True)
    trial_id = Column(Integer, ForeignKey("tr_trials.trial_id"), nullable=False)
    heartbeat = Column(DateTime, nullable=False, default=sa.func.current_timestamp())


class VersionInfo(Base):
    __tablename__ = "tr_version_info"
    __table_args__ = (CheckConstraint("version_info_id = 1"),)
    version_info_id = Column(Integer, primary_key=True, autoincrement=False, default=1)
    schema_version = Column(Integer)
    library_version = Column(String(20))


class Experiment(Base):
    __tablename__ = "tr_experiments"
    __table_args__ = (CheckConstraint("stage IN ('active', 'deleted')"),)
    experiment_id = Column(Integer, primary_key=True)
    name = Column(String(200), unique=True, nullable=False)
    stage = Column(String(32), default="active")
    creation_time = Column(sa.BigInteger, default=lambda: int(datetime(2026, 1, 1).timestamp()))


class Run(Base):
    __tablename__ = "tr_runs"
    run_uuid = Column(String(32), primary_key=True)
    name = Column(String(250))
    experiment_id = Column(Integer, ForeignKey("tr_experiments.experiment_id"))
    experiment = relationship(Experiment, backref=backref("runs", cascade="all"))


class Metric(Base):
    __tablename__ = "tr_metrics"
    key = Column(String(60), primary_key=True)
    step = Column(sa.BigInteger, primary_key=True, default=0)
    run_uuid = Column(String(32), ForeignKey("tr_runs.run_uuid"), primary_key=True)
    value = Column(sa.Float, nullable=False)
    is_nan: Mapped[bool] = mapped_column(
        sa.Boolean(create_constraint=True), nullable=False, default=False
    )
    run = relationship(Run, backref=backref("metrics", cascade="all"))


class RunTag(Base):
    __tablename__ = "tr_run_tags"
    key = Column(String(60), primary_key=True)
    run_uuid = Column(String(32), ForeignKey("tr_runs.run_uuid"), primary_key=True)
    value = Column(String(200), nullable=True)


class RegisteredModel(Base):
    __tablename__ = "tr_registered_models"
    name = Column(String(60), unique=True, nullable=False, primary_key=True)
    description = Column(String(200), nullable=True)


class ModelVersion(Base):
    __tablename__ = "tr_model_versions"
    name = Column(
        String(60), ForeignKey("tr_registered_models.name", onupdate="cascade"), primary_key=True
    )
    version = Column(Integer, primary_key=True, autoincrement=False)
    stage = Column(String(20), default="None")
