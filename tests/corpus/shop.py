"""A shop as most programs are: whole numbers, plain columns, relations, few words."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Numeric, String, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA


class Timed:
    """Moments by the database."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Size(enum.Enum):
    """Of clothes."""

    SMALL = "s"
    LARGE = "l"


class Country(Base):
    __tablename__ = "sh_countries"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)


class Address(Base, Timed):
    __tablename__ = "sh_addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    street: Mapped[str] = mapped_column(String(100))
    city: Mapped[str] = mapped_column(String(60), index=True)
    country_code: Mapped[str | None] = mapped_column(ForeignKey("sh_countries.code"))


class Customer(Base, Timed):
    __tablename__ = "sh_customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    born: Mapped[date | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    address_id: Mapped[int | None] = mapped_column(ForeignKey("sh_addresses.id"))
    address: Mapped[Address | None] = relationship()


class Category(Base):
    __tablename__ = "sh_categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("sh_categories.id"))


class Product(Base, Timed):
    __tablename__ = "sh_products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), index=True)
    description: Mapped[str | None] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    size: Mapped[Size | None]
    stock: Mapped[int] = mapped_column(default=0)
    category_id: Mapped[int | None] = mapped_column(ForeignKey("sh_categories.id"))
    category: Mapped[Category | None] = relationship()


class Tag(Base):
    __tablename__ = "sh_tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)


class ProductTag(Base):
    __tablename__ = "sh_product_tags"
    product_id: Mapped[int] = mapped_column(ForeignKey("sh_products.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("sh_tags.id"), primary_key=True)


class Order(Base, Timed):
    __tablename__ = "sh_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("sh_customers.id"))
    status: Mapped[str] = mapped_column(String(20), default="new", index=True)
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0))
    customer: Mapped[Customer] = relationship(backref="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")


class Line(Base):
    __tablename__ = "sh_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("sh_orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("sh_products.id"))
    quantity: Mapped[int] = mapped_column(default=1)
    order: Mapped[Order] = relationship(back_populates="lines")


class Payment(Base, Timed):
    __tablename__ = "sh_payments"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("sh_orders.id", ondelete="CASCADE"))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    provider: Mapped[str] = mapped_column(String(30))


class Review(Base, Timed):
    __tablename__ = "sh_reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("sh_products.id"))
    stars: Mapped[int] = mapped_column(sa.SmallInteger)
    text: Mapped[str | None] = mapped_column(Text)


class Coupon(Base):
    __tablename__ = "sh_coupons"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    percent: Mapped[float]
    valid_until: Mapped[date | None]


class Warehouse(Base):
    __tablename__ = "sh_warehouses"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    is_open: Mapped[bool] = mapped_column(server_default=sa.true())


class Shipment(Base):
    __tablename__ = "sh_shipments"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("sh_orders.id"))
    warehouse_id: Mapped[int | None] = mapped_column(ForeignKey("sh_warehouses.id"))
    shipped_at: Mapped[datetime | None]
    weight: Mapped[float | None]
