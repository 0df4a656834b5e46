"""A household's recipes: GUID keys of the project's own type, own constructors, validators."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from tests.corpus.clock import utc_now
from tests.corpus.own_types import GUID, NaiveUTC
from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA
    created_at: Mapped[datetime | None] = mapped_column(NaiveUTC, default=utc_now, index=True)
    update_at: Mapped[datetime | None] = mapped_column(NaiveUTC, default=utc_now, onupdate=utc_now)


def _key() -> Any:
    return mapped_column(GUID, primary_key=True, default=uuid.uuid4)


def _pairs(name: str, one: str, other: str) -> Table:
    return Table(
        name, METADATA,
        Column("one_id", GUID, ForeignKey(f"{one}.id"), index=True),
        Column("two_id", GUID, ForeignKey(f"{other}.id"), index=True),
        sa.UniqueConstraint("one_id", "two_id"),
    )  # fmt: skip


RECIPE_TAGS = _pairs("re_recipe_tags", "re_recipes", "re_tags")
RECIPE_TOOLS = _pairs("re_recipe_tools", "re_recipes", "re_tools")


class Group(Base):
    __tablename__ = "re_groups"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60), unique=True)
    slug: Mapped[str | None] = mapped_column(String(60))


class OfGroup:
    """What belongs to a group."""

    group_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_groups.id"), index=True)


class Household(Base, OfGroup):
    __tablename__ = "re_households"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    preferences: Mapped[Preferences | None] = relationship(
        back_populates="household", uselist=False, cascade="all, delete-orphan"
    )


class Preferences(Base):
    __tablename__ = "re_preferences"
    id: Mapped[uuid.UUID] = _key()
    household_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_households.id"))
    private_household: Mapped[bool] = mapped_column(default=True)
    first_day_of_week: Mapped[int] = mapped_column(default=0)
    household: Mapped[Household] = relationship(back_populates="preferences")


class User(Base, OfGroup):
    __tablename__ = "re_users"
    id: Mapped[uuid.UUID] = _key()
    full_name: Mapped[str | None] = mapped_column(String(60))
    email: Mapped[str | None] = mapped_column(String(120), unique=True)
    admin: Mapped[bool | None] = mapped_column(default=False)
    login_attempts: Mapped[int | None] = mapped_column(default=0)

    def __init__(self, full_name: str | None = None, **values: Any) -> None:
        super().__init__(full_name=(full_name or "").strip(), **values)


class Category(Base, OfGroup):
    __tablename__ = "re_categories"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    slug: Mapped[str | None] = mapped_column(String(60))

    @validates("name")
    def _check(self, _key: str, name: str) -> str:
        assert name != ""
        return name


class Tag(Base, OfGroup):
    __tablename__ = "re_tags"
    __table_args__ = (sa.UniqueConstraint("slug", "group_id"),)
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    slug: Mapped[str] = mapped_column(String(60))

    @validates("name")
    def _check(self, _key: str, name: str) -> str:
        assert name != ""
        return name


class Tool(Base, OfGroup):
    __tablename__ = "re_tools"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    on_hand: Mapped[bool | None] = mapped_column(default=False)


class Unit(Base, OfGroup):
    __tablename__ = "re_units"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str | None] = mapped_column(String(60))
    abbreviation: Mapped[str | None] = mapped_column(String(10))
    fraction: Mapped[bool | None] = mapped_column(default=True)


class Label(Base, OfGroup):
    __tablename__ = "re_labels"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    color: Mapped[str] = mapped_column(String(10), default="")


class Food(Base, OfGroup):
    __tablename__ = "re_foods"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str | None] = mapped_column(String(60))
    label_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_labels.id"))
    label: Mapped[Label | None] = relationship()


class Recipe(Base, OfGroup):
    __tablename__ = "re_recipes"
    __table_args__ = (sa.UniqueConstraint("slug", "group_id"),)
    id: Mapped[uuid.UUID] = _key()
    slug: Mapped[str | None] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(60))
    rating: Mapped[float | None]
    date_added: Mapped[date | None] = mapped_column(default=date.today)
    last_made: Mapped[datetime | None] = mapped_column(NaiveUTC)
    ingredients: Mapped[list[Ingredient]] = relationship(
        cascade="all, delete-orphan", order_by="Ingredient.position"
    )
    instructions: Mapped[list[Instruction]] = relationship(cascade="all, delete-orphan")
    tags: Mapped[list[Tag]] = relationship(secondary=RECIPE_TAGS)
    tools: Mapped[list[Tool]] = relationship(secondary=RECIPE_TOOLS)


class Ingredient(Base):
    __tablename__ = "re_ingredients"
    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int | None]
    title: Mapped[str | None] = mapped_column(String(60))
    quantity: Mapped[float | None]
    recipe_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_recipes.id"))
    food_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_foods.id"))
    food: Mapped[Food | None] = relationship()


class Instruction(Base):
    __tablename__ = "re_instructions"
    id: Mapped[uuid.UUID] = _key()
    position: Mapped[int | None]
    text: Mapped[str | None] = mapped_column(sa.Text)
    recipe_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_recipes.id"))


class Comment(Base):
    __tablename__ = "re_comments"
    id: Mapped[uuid.UUID] = _key()
    text: Mapped[str | None] = mapped_column(sa.Text)
    recipe_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_recipes.id"))
    user_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_users.id"))


class TimelineEvent(Base):
    __tablename__ = "re_timeline"
    id: Mapped[uuid.UUID] = _key()
    subject: Mapped[str] = mapped_column(String(60))
    happened: Mapped[datetime | None] = mapped_column("timestamp", sa.DateTime)
    recipe_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_recipes.id"))


class Nutrition(Base):
    __tablename__ = "re_nutrition"
    id: Mapped[int] = mapped_column(primary_key=True)
    calories: Mapped[str | None] = mapped_column(String(20))
    recipe_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_recipes.id"))


class ShoppingList(Base, OfGroup):
    __tablename__ = "re_shopping_lists"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str | None] = mapped_column(String(60))
    items: Mapped[list[ShoppingItem]] = relationship(cascade="all, delete, delete-orphan")


class ShoppingItem(Base):
    __tablename__ = "re_shopping_items"
    id: Mapped[uuid.UUID] = _key()
    position: Mapped[int] = mapped_column(default=0)
    checked: Mapped[bool | None] = mapped_column(default=False)
    quantity: Mapped[float | None] = mapped_column(default=1)
    shopping_list_id: Mapped[uuid.UUID] = mapped_column(GUID, ForeignKey("re_shopping_lists.id"))


class MealPlan(Base, OfGroup):
    __tablename__ = "re_meal_plans"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[date] = mapped_column("date", index=True)
    entry_type: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(60))
    recipe_id: Mapped[uuid.UUID | None] = mapped_column(GUID, ForeignKey("re_recipes.id"))


class Cookbook(Base, OfGroup):
    __tablename__ = "re_cookbooks"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    position: Mapped[int] = mapped_column(default=1)
    public: Mapped[bool | None] = mapped_column(default=False)


class Notifier(Base, OfGroup):
    __tablename__ = "re_notifiers"
    id: Mapped[uuid.UUID] = _key()
    name: Mapped[str] = mapped_column(String(60))
    enabled: Mapped[bool] = mapped_column(default=True)


class ServerTask(Base, OfGroup):
    __tablename__ = "re_server_tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    completed_date: Mapped[datetime | None] = mapped_column(NaiveUTC)
    status: Mapped[str] = mapped_column(String(20))

    def __init__(self, name: str, **values: Any) -> None:
        self.name = name.title()
        for key, value in values.items():
            setattr(self, key, value)


class Invite(Base, OfGroup):
    __tablename__ = "re_invites"
    id: Mapped[int] = mapped_column(primary_key=True)
    uses_left: Mapped[int] = mapped_column(default=1)
