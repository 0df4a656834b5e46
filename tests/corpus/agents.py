"""Agents and their documents: keys of both kinds, the database's moments, enumerations as text."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Computed, DateTime, ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from tests.corpus.own_types import JSONB, Encrypted, LowerText, Texts
from tests.corpus.tables import METADATA

# SQLite numbers its rows by INTEGER alone.
BigKey = BigInteger().with_variant(sa.Integer(), "sqlite")


class Base(DeclarativeBase):
    metadata = METADATA


class Access(enum.StrEnum):
    """Who may read."""

    PUBLIC = "public"
    PRIVATE = "private"


def _by_value(kind: type[enum.Enum]) -> Any:
    return sa.Enum(kind, native_enum=False, values_callable=lambda all_: [m.value for m in all_])


def _made_at() -> Any:
    return mapped_column(DateTime(timezone=True), server_default=func.now())


def _changed_at() -> Any:
    return mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())


class User(Base):
    __tablename__ = "ag_user"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(LowerText, unique=True)
    role: Mapped[Access] = mapped_column(sa.Enum(Access, native_enum=False), default=Access.PUBLIC)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    chosen: Mapped[list[int] | None] = mapped_column(JSONB, default=list)
    memories: Mapped[list[Memory]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="desc(Memory.id)"
    )

    @validates("email")
    def _check(self, _key: str, value: str) -> str:
        return value.strip()


class Memory(Base):
    __tablename__ = "ag_memory"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ag_user.id", ondelete="CASCADE"))
    user: Mapped[User] = relationship(back_populates="memories")
    conversation_id: Mapped[uuid.UUID | None]


class Connector(Base):
    __tablename__ = "ag_connector"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    source: Mapped[Access] = mapped_column(sa.Enum(Access, native_enum=False))
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    refresh_freq: Mapped[int | None]
    time_created: Mapped[datetime] = _made_at()
    time_updated: Mapped[datetime] = _changed_at()
    pairs: Mapped[list[Pair]] = relationship(
        back_populates="connector", cascade="all, delete-orphan"
    )


class Credential(Base):
    __tablename__ = "ag_credential"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(60))
    sealed: Mapped[str | None] = mapped_column(Encrypted)
    admin_public: Mapped[bool] = mapped_column(default=True)
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ag_user.id", ondelete="CASCADE"))
    time_created: Mapped[datetime] = _made_at()


class Pair(Base):
    __tablename__ = "ag_pair"
    connector_id: Mapped[int] = mapped_column(ForeignKey("ag_connector.id"), primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("ag_credential.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    access: Mapped[Access] = mapped_column(_by_value(Access), default=Access.PUBLIC)
    connector: Mapped[Connector] = relationship(back_populates="pairs")
    total_docs: Mapped[int] = mapped_column(default=0)


class Attempt(Base):
    __tablename__ = "ag_attempt"
    id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int | None] = mapped_column(ForeignKey("ag_connector.id"))
    status: Mapped[str] = mapped_column(String(20), index=True)
    new_docs: Mapped[int | None] = mapped_column(default=0)
    error_msg: Mapped[str | None] = mapped_column(sa.Text, default=None)
    time_updated: Mapped[datetime] = _changed_at()
    errors: Mapped[list[AttemptError]] = relationship(cascade="all, delete-orphan")


class AttemptError(Base):
    __tablename__ = "ag_attempt_error"
    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("ag_attempt.id"))
    failure: Mapped[str] = mapped_column(sa.Text)
    is_resolved: Mapped[bool] = mapped_column(default=False)


class Document(Base):
    __tablename__ = "ag_document"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    boost: Mapped[int] = mapped_column(default=0)
    semantic_id: Mapped[str] = mapped_column(String(100))
    link: Mapped[str | None]
    owners: Mapped[list[str] | None] = mapped_column(Texts)
    doc_updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    title_length: Mapped[int | None] = mapped_column(Computed("length(semantic_id)"))


class DocumentSet(Base):
    __tablename__ = "ag_document_set"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    is_public: Mapped[bool] = mapped_column(default=True)
    personas: Mapped[list[Persona]] = relationship(
        secondary="ag_persona_set", back_populates="sets", viewonly=True
    )


class Persona(Base):
    __tablename__ = "ag_persona"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    temperature: Mapped[float | None]
    starters: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("ag_persona.id"))
    children: Mapped[list[Persona]] = relationship(back_populates="parent", passive_deletes=True)
    parent: Mapped[Persona | None] = relationship(back_populates="children", remote_side=[id])
    sets: Mapped[list[DocumentSet]] = relationship(
        secondary="ag_persona_set", back_populates="personas"
    )


class PersonaSet(Base):
    __tablename__ = "ag_persona_set"
    persona_id: Mapped[int] = mapped_column(ForeignKey("ag_persona.id"), primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("ag_document_set.id"), primary_key=True)


class ChatSession(Base):
    __tablename__ = "ag_chat_session"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ag_user.id", ondelete="CASCADE"))
    description: Mapped[str | None] = mapped_column(sa.Text)
    shared: Mapped[Access] = mapped_column(
        sa.Enum(Access, native_enum=False), default=Access.PRIVATE
    )
    time_updated: Mapped[datetime] = _changed_at()
    messages: Mapped[list[ChatMessage]] = relationship(
        back_populates="chat_session", cascade="all, delete-orphan"
    )


class ChatMessage(Base):
    __tablename__ = "ag_chat_message"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    chat_session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ag_chat_session.id"))
    parent_message: Mapped[int | None]
    message: Mapped[str] = mapped_column(sa.Text)
    citations: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    time_sent: Mapped[datetime] = _made_at()
    chat_session: Mapped[ChatSession] = relationship(back_populates="messages")


class Tool(Base):
    __tablename__ = "ag_tool"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    openapi: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    enabled: Mapped[bool] = mapped_column(server_default=sa.true())


class Group(Base):
    __tablename__ = "ag_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    is_up_to_date: Mapped[bool] = mapped_column(default=False)
    grants: Mapped[list[GroupGrant]] = relationship(
        back_populates="group", cascade="all, delete-orphan"
    )


class GroupGrant(Base):
    __tablename__ = "ag_group_grant"
    __table_args__ = (sa.UniqueConstraint("group_id", "permission"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("ag_group.id", ondelete="CASCADE"))
    permission: Mapped[str] = mapped_column(String(20))
    is_deleted: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    group: Mapped[Group] = relationship(back_populates="grants")

    @validates("permission")
    def _check(self, _key: str, value: str) -> str:
        if not value:
            message = "no permission"
            raise ValueError(message)
        return value


class Usage(Base):
    __tablename__ = "ag_usage"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    counted: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[float] = mapped_column(default=0.0)
    at: Mapped[datetime] = _made_at()


class Workspace(Base):
    __tablename__ = "ag_workspace"
    surrogate_id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4, unique=True)
    name: Mapped[str] = mapped_column(String(60))
    settings: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=dict)
    workflows: Mapped[list[Workflow]] = relationship(
        back_populates="workspace", cascade="all, delete", passive_deletes=True
    )


class Workflow(Base):
    __tablename__ = "ag_workflow"
    surrogate_id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20), default="offline")
    version: Mapped[int | None]
    workspace_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("ag_workspace.id", ondelete="CASCADE")
    )
    workspace: Mapped[Workspace] = relationship(back_populates="workflows")
    actions: Mapped[list[Action]] = relationship(
        back_populates="workflow", cascade="all, delete-orphan", lazy="select"
    )


class Action(Base):
    __tablename__ = "ag_action"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[str] = mapped_column("type", String(60))
    inputs: Mapped[str] = mapped_column(sa.Text, default="")
    workflow_id: Mapped[int] = mapped_column(
        ForeignKey("ag_workflow.surrogate_id", ondelete="CASCADE")
    )
    position: Mapped[float] = mapped_column(default=0.0)
    workflow: Mapped[Workflow] = relationship(back_populates="actions")


class Interaction(Base):
    __tablename__ = "ag_interaction"
    id: Mapped[int] = mapped_column(primary_key=True)
    took: Mapped[timedelta | None] = mapped_column(sa.Interval)
    score: Mapped[float | None] = mapped_column(sa.Numeric(6, 3, asdecimal=False))


class KVStore(Base):
    __tablename__ = "ag_kv_store"
    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[Any | None] = mapped_column(JSONB)
    sealed_value: Mapped[str | None] = mapped_column(Encrypted)


class Lookup(Base):
    __tablename__ = "ag_lookup"
    access: Mapped[Access] = mapped_column(sa.Enum(Access, name="ag_access"), primary_key=True)
    note: Mapped[str | None] = mapped_column(String(60))


class Snapshot(Base):
    __tablename__ = "ag_snapshot"
    day: Mapped[datetime] = mapped_column(DateTime, primary_key=True)
    documents: Mapped[int] = mapped_column(default=0)


class Settings(Base):
    __tablename__ = "ag_settings"
    id: Mapped[int] = mapped_column(primary_key=True)
    model_name: Mapped[str] = mapped_column(String(60))
    model_dim: Mapped[int]
    normalize: Mapped[bool]
    query_prefix: Mapped[str | None] = mapped_column(nullable=True)
