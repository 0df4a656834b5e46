"""The same tables three times: by Model, by a plain declarative base, by SQLModel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from sqlmodel import Field, SQLModel

from ormolu import Model


@dataclass(frozen=True, kw_only=True)
class Family:
    """One base with its two models."""

    metadata: MetaData
    user: type[Any]
    item: type[Any]
    has_names: bool = False


class OfOurs(Model):
    """Constraints get names by a convention."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class OurUser(OfOurs):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("shop", "number"),
        Index(None, "first_name", "last_name", unique=True),
        CheckConstraint("number > 0", name="number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(50), unique=True)
    nick: Mapped[str | None] = mapped_column(String(50), unique=True, index=True)
    phone: Mapped[str | None] = mapped_column("phone_number", String(50), unique=True)
    shop: Mapped[int | None]
    number: Mapped[int | None]
    first_name: Mapped[str | None] = mapped_column(String(50))
    last_name: Mapped[str | None] = mapped_column(String(50))


class OurOrderItem(OfOurs):
    __tablename__ = "items"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)


class OfTheirs(DeclarativeBase):
    """Constraints get names by the server."""


class User(OfTheirs):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("shop", "number"),
        Index("names", "first_name", "last_name", unique=True),
        CheckConstraint("number > 0"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(50), unique=True)
    nick: Mapped[str | None] = mapped_column(String(50), unique=True, index=True)
    phone: Mapped[str | None] = mapped_column("phone_number", String(50), unique=True)
    shop: Mapped[int | None]
    number: Mapped[int | None]
    first_name: Mapped[str | None] = mapped_column(String(50))
    last_name: Mapped[str | None] = mapped_column(String(50))


class OrderItem(OfTheirs):
    __tablename__ = "items"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)


class OfSQLModel(SQLModel, registry=registry()):
    """SQLModel, with tables of its own."""


class SQLUser(OfSQLModel, table=True):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("shop", "number"),
        Index("names", "first_name", "last_name", unique=True),
        CheckConstraint("number > 0"),
    )

    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(max_length=50, unique=True)
    nick: str | None = Field(default=None, max_length=50, unique=True, index=True)
    phone: str | None = Field(
        default=None, sa_type=String(50), unique=True, sa_column_kwargs={"name": "phone_number"}
    )
    shop: int | None = None
    number: int | None = None
    first_name: str | None = Field(default=None, max_length=50)
    last_name: str | None = Field(default=None, max_length=50)


class SQLOrderItem(OfSQLModel, table=True):
    __tablename__ = "items"

    user_id: int = Field(foreign_key="users.id", primary_key=True)
    line: int = Field(primary_key=True)


FAMILIES = {
    "model": Family(metadata=OfOurs.metadata, user=OurUser, item=OurOrderItem, has_names=True),
    "plain": Family(metadata=OfTheirs.metadata, user=User, item=OrderItem),
    "sqlmodel": Family(metadata=OfSQLModel.metadata, user=SQLUser, item=SQLOrderItem),
}
