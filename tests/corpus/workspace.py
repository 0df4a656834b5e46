"""A billing platform: UUID keys, mixins, soft deletes, relations by declared_attr."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, Uuid, type_coerce
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    declared_attr,
    mapped_column,
    relationship,
)

from ormolu.models import UTCDateTime
from tests.corpus.clock import utc_now
from tests.corpus.own_types import JSONB, Encrypted, Money, StringEnum
from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA


class Record(Base):
    __abstract__ = True

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now, index=True)
    modified_at: Mapped[datetime | None] = mapped_column(
        UTCDateTime, onupdate=utc_now, default=None
    )
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=None, index=True)

    @hybrid_property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @is_deleted.inplace.expression
    @classmethod
    def _is_deleted_expression(cls) -> sa.ColumnElement[bool]:
        return type_coerce(cls.deleted_at.is_not(None), sa.Boolean)


class Metadata:
    """Free values beside the columns."""

    user_metadata: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class Rate(enum.StrEnum):
    """How much a customer may ask for."""

    default = "default"
    elevated = "elevated"


class Status(enum.StrEnum):
    """Where something stands."""

    open = "open"
    paid = "paid"


class Organization(Record, Metadata):
    __tablename__ = "ws_organizations"
    name: Mapped[str] = mapped_column(String(60))
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    website: Mapped[str | None]
    rate: Mapped[Rate] = mapped_column(StringEnum(Rate), default=Rate.default)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class OfOrganization:
    """What belongs to an organization."""

    @declared_attr
    def organization_id(cls) -> Mapped[uuid.UUID]:
        key = ForeignKey("ws_organizations.id", ondelete="cascade")
        return mapped_column(Uuid, key, index=True)

    @declared_attr
    def organization(cls) -> Mapped[Organization]:
        return relationship(Organization, lazy="raise")


class Customer(Record, Metadata, OfOrganization):
    __tablename__ = "ws_customers"
    email: Mapped[str] = mapped_column(String(320))
    is_verified: Mapped[bool] = mapped_column(default=False)
    name: Mapped[str | None] = mapped_column("customer_name", String(60), default=None)
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    accounts: Mapped[list[Account]] = relationship(
        back_populates="customer", lazy="raise", cascade="all, delete-orphan"
    )
    account_names: AssociationProxy[list[str]] = association_proxy("accounts", "platform")


class Account(Record):
    __tablename__ = "ws_accounts"
    __table_args__ = (sa.UniqueConstraint("platform", "account_id"),)
    platform: Mapped[str] = mapped_column(String(32))
    account_id: Mapped[str] = mapped_column(String(60))
    note: Mapped[str | None] = mapped_column(Encrypted)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="accounts", lazy="raise")


class Product(Record, Metadata, OfOrganization):
    __tablename__ = "ws_products"
    name: Mapped[str] = mapped_column(sa.Text)
    description: Mapped[str | None] = mapped_column(sa.Text)
    is_archived: Mapped[bool] = mapped_column(default=False)
    prices: Mapped[list[Price]] = relationship(back_populates="product", lazy="raise")
    benefits: Mapped[list[Benefit]] = relationship(
        secondary="ws_product_benefits", viewonly=True, lazy="raise"
    )


class Price(Record):
    __tablename__ = "ws_prices"
    amount: Mapped[int] = mapped_column(Money)
    currency: Mapped[str] = mapped_column(String(3), default="usd")
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_products.id"))
    product: Mapped[Product] = relationship(back_populates="prices", lazy="raise")


class Benefit(Record, Metadata, OfOrganization):
    __tablename__ = "ws_benefits"
    kind: Mapped[str] = mapped_column(String(20))
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class ProductBenefit(Record):
    __tablename__ = "ws_product_benefits"
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_products.id"))
    benefit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_benefits.id"))
    order: Mapped[int]


class Grant(Record):
    __tablename__ = "ws_grants"
    granted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_customers.id"))
    benefit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_benefits.id"))

    @hybrid_property
    def is_granted(self) -> bool:
        return self.granted_at is not None

    @is_granted.inplace.expression
    @classmethod
    def _is_granted_expression(cls) -> sa.ColumnElement[bool]:
        return type_coerce(cls.granted_at.is_not(None), sa.Boolean)


class Discount(Record, OfOrganization):
    __tablename__ = "ws_discounts"
    name: Mapped[str] = mapped_column(String(40))
    percent: Mapped[int] = mapped_column(sa.SmallInteger)
    starts_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    redemptions: Mapped[int] = mapped_column(default=0, server_default="0")


class Checkout(Record, Metadata, OfOrganization):
    __tablename__ = "ws_checkouts"
    status: Mapped[Status] = mapped_column(StringEnum(Status), default=Status.open)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    amount: Mapped[int | None] = mapped_column(sa.BigInteger)
    _ip: Mapped[str | None] = mapped_column("ip", String(45))

    @hybrid_property
    def is_expired(self) -> bool:
        return self.expires_at < utc_now()

    @is_expired.inplace.expression
    @classmethod
    def _is_expired_expression(cls) -> sa.ColumnElement[bool]:
        return cls.expires_at < utc_now()


@sa.event.listens_for(Checkout, "before_update")
def _check_expiration(_mapper: Any, _connection: Any, target: Checkout) -> None:
    if target.amount == -1:
        target.status = Status.paid


class Order(Record, Metadata):
    __tablename__ = "ws_orders"
    number: Mapped[str] = mapped_column(String(30), unique=True)
    status: Mapped[Status] = mapped_column(StringEnum(Status), default=Status.open)
    subtotal: Mapped[int] = mapped_column()
    tax: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = column_property(subtotal + tax)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_customers.id"))
    customer: Mapped[Customer] = relationship(lazy="raise")
    items: Mapped[list[Item]] = relationship(
        back_populates="order", cascade="all, delete-orphan", order_by="Item.created_at"
    )


class Item(Record):
    __tablename__ = "ws_items"
    label: Mapped[str] = mapped_column(String(60))
    amount: Mapped[int]
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_orders.id", ondelete="cascade"))
    order: Mapped[Order] = relationship(back_populates="items", lazy="raise")


class Subscription(Record, Metadata):
    __tablename__ = "ws_subscriptions"
    status: Mapped[Status] = mapped_column(StringEnum(Status), default=Status.open)
    seats: Mapped[int | None]
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_customers.id"))
    discount_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ws_discounts.id"))
    discount: Mapped[Discount | None] = relationship(lazy="raise")


class Meter(Record, Metadata, OfOrganization):
    __tablename__ = "ws_meters"
    name: Mapped[str] = mapped_column(String(40))
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Event(Base):
    __tablename__ = "ws_events"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    ingested_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    name: Mapped[str] = mapped_column(String(128), index=True)
    source: Mapped[Status] = mapped_column(sa.Enum(Status, native_enum=False), default=Status.open)
    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ws_events.id"))
    parent: Mapped[Event | None] = relationship(remote_side=[id], lazy="raise")


class Webhook(Record, OfOrganization):
    __tablename__ = "ws_webhooks"
    url: Mapped[str] = mapped_column(String(200))
    events: Mapped[list[str]] = mapped_column(JSONB, default=list)
    is_enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())


class Delivery(Record):
    __tablename__ = "ws_deliveries"
    http_code: Mapped[int | None]
    succeeded: Mapped[bool | None]
    webhook_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ws_webhooks.id"))


class Payout(Record, OfOrganization):
    __tablename__ = "ws_payouts"
    __table_args__ = (sa.CheckConstraint("amount >= 0"),)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[Status] = mapped_column(sa.Enum(Status, name="ws_status"), default=Status.open)


class Pledge(Record):
    __tablename__ = "ws_pledges"
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    email: Mapped[str | None] = mapped_column(String(320))
    product_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("ws_products.id", ondelete="set null")
    )


class CustomField(Record, OfOrganization):
    __tablename__ = "ws_custom_fields"
    slug: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}


class TextField(CustomField):
    __mapper_args__ = {"polymorphic_identity": "text"}


class File(Record, OfOrganization):
    __tablename__ = "ws_files"
    name: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    checksum: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    is_uploaded: Mapped[bool] = mapped_column(default=False)
