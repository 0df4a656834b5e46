"""The tables that these tests use: one model, as the guide maps it and as `Model` does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Dialect, ForeignKey, ForeignKeyConstraint, MetaData, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ormolu import Model


def _can_defer(*_context: object, dialect: Dialect, **_options: object) -> bool:
    """Tell whether the backend can check a foreign key at COMMIT; MySQL's cannot."""
    return dialect.name in {"sqlite", "postgresql"}


class Plain(DeclarativeBase):
    """The guide's base."""


class PlainGuest(Plain):
    __tablename__ = "plain_users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    n: Mapped[int] = mapped_column(default=0)
    seen: Mapped[datetime | None]
    changed: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    orders: Mapped[list[PlainPurchase]] = relationship(back_populates="user")


class PlainPurchase(Plain):
    __tablename__ = "plain_orders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id"], ["plain_users.id"], deferrable=True, initially="DEFERRED"
        ).ddl_if(callable_=_can_defer),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    user: Mapped[PlainGuest] = relationship(
        back_populates="orders", primaryjoin="PlainPurchase.user_id == PlainGuest.id"
    )


class Base(Model):
    """Keeps these tables apart from those of other tests."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Guest(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    n: Mapped[int] = mapped_column(default=0)
    seen: Mapped[datetime | None]
    changed: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    orders: Mapped[list[Purchase]] = relationship(back_populates="user")


class Purchase(Base):
    __tablename__ = "orders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], deferrable=True, initially="DEFERRED"
        ).ddl_if(callable_=_can_defer),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    user: Mapped[Guest] = relationship(back_populates="orders")


class Item(Base):
    """A row whose foreign key is checked at once, on every backend."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
