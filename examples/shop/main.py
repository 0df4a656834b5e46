"""A shop: customers, products and orders with lines, as resources with a policy.

Who asks is in the header `X-Customer-Id`; a real service would read a token there.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String, Text, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, Policy, resource


class Status(enum.Enum):
    """Where an order is."""

    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


class Customer(Model):
    """Somebody who orders."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    password_hash: Mapped[str | None] = mapped_column(String(100))
    orders: Mapped[list[Order]] = relationship(back_populates="customer")


class Product(Model):
    """Something to order; its key is the seller's own."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("price >= 0", name="price"),)

    sku: Mapped[str] = mapped_column(String(20), primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    tags: Mapped[list[Any]] = mapped_column(default=list)


class Order(Model):
    """What a customer orders, with a version against lost updates."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[Status] = mapped_column(default=Status.OPEN)
    note: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column()
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(
        back_populates="order", cascade="all, delete-orphan", passive_deletes=True
    )

    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}  # noqa: RUF012


class Line(Model):
    """A product in an order."""

    __tablename__ = "lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    order_id: Mapped[int] = mapped_column(
        ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    sku: Mapped[str] = mapped_column(ForeignKey("products.sku"), primary_key=True)
    quantity: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="lines")
    product: Mapped[Product] = relationship()


CustomerId = Annotated[int | None, Header(alias="X-Customer-Id", ge=1, le=2**31 - 1)]


async def only_me(customer_id: CustomerId = None) -> Policy:
    """Let customers see and change themselves."""
    return Policy(visible=Customer.id == _known(customer_id))


async def own_orders(customer_id: CustomerId = None) -> Policy:
    """Let customers see their orders, and change those that are open."""
    mine = Order.customer_id == _known(customer_id)
    return Policy(
        visible=mine,
        writable=Order.status == Status.OPEN,
        assign={"customer_id": customer_id},
    )


async def own_lines(customer_id: CustomerId = None) -> Policy:
    """Let customers see and change what is in their orders."""
    mine = select(Order.id).where(Order.customer_id == _known(customer_id))
    return Policy(visible=Line.order_id.in_(mine))


def _known(customer_id: int | None) -> int:
    if customer_id is None:
        raise HTTPException(401, "Say who you are: X-Customer-Id")
    return customer_id


customers = resource(Customer, policy=only_me, includes={"orders"}, idempotency=True)
products = resource(Product, searchable={"title", "description"}, max_offset=10_000)
orders = resource(
    Order,
    policy=own_orders,
    read_only={"customer_id"},
    includes={"customer", "lines"},
    idempotency=True,
)
lines = resource(Line, policy=own_lines, includes={"order": orders, "product": products})


async def seed(database: Database) -> None:
    """Fill an empty shop."""
    async with database.unit_of_work() as session:
        if await session.scalar(select(func.count()).select_from(Product)):
            return
        names = ("Ann", "Bo", "Cy")
        session.add_all(Customer(email=f"{name.lower()}@example.com", name=name) for name in names)
        bike = Product(sku="bike-1", title="Red bike", price=Decimal("499.00"), tags=["bike"])
        bell = Product(sku="bell-1", title="Bell", description="Loud", price=Decimal("9.50"))
        session.add_all([bike, bell])
        await session.flush()
        order = Order(customer_id=1, lines=[Line(sku="bike-1", quantity=1)])
        session.add_all([order, Order(customer_id=2)])


def make_app(database: Database) -> FastAPI:
    """Return the shop on a database."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await seed(database)
        yield

    app = FastAPI(title="Shop", lifespan=lifespan)
    database.attach(app)
    for router in (customers, products, orders, lines):
        app.include_router(router)
    return app


app = make_app(Database())
